-- sums of labelled cells per stream (version and calibrator), finest slice, bucket and bin
SELECT c.stream_id, c.slice_id, c.bucket, c.bin,
       sum(c.n)::DOUBLE AS n, sum(c.score) AS score, sum(c.outcome) AS outcome, sum(c.score_squared) AS score_squared,
       sum(c.score_outcome) AS score_outcome, sum(c.log_loss) AS log_loss, sum(coalesce(c.weight, c.n)) AS weight,
       sum(coalesce(c.weight_score, c.score)) AS weight_score, sum(coalesce(c.weight_outcome, c.outcome)) AS weight_outcome
FROM cells AS c
WHERE c.model_id = $model_id AND c.n > 0 AND c.bucket >= $first AND c.bucket <= $last
GROUP BY c.stream_id, c.slice_id, c.bucket, c.bin
ORDER BY c.stream_id, c.slice_id, c.bucket, c.bin;
