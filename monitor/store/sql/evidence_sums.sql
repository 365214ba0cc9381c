-- sums of labelled cells per stream (version and calibrator), finest slice, bucket and detector bin; $part: the detector
-- bin of each of the 192 fine bins
SELECT c.stream_id, c.slice_id, c.bucket, ($part)[c.bin % 192 + 1] AS part, sum(c.n)::DOUBLE AS samples,
       sum(coalesce(c.weight, c.n)) AS weight, sum(coalesce(c.weight_score, c.score)) AS score,
       sum(coalesce(c.weight_outcome, c.outcome)) AS outcome
FROM cells AS c
WHERE c.model_id = $model_id AND c.n > 0 AND c.bucket >= $first AND c.bucket <= $last
GROUP BY ALL
ORDER BY ALL;
