-- version_key: the smallest stream of the version, a number that stands for its text
WITH own AS (
    SELECT stream_id, min(stream_id) OVER (PARTITION BY version) AS version_key FROM streams WHERE model_id = $model_id
)
SELECT own.version_key, c.slice_id, c.bin,
       sum(c.n)::DOUBLE AS n, sum(c.unlabelled)::DOUBLE AS unlabelled, sum(c.score) AS score, sum(c.outcome) AS outcome,
       sum(c.score_squared) AS score_squared, sum(c.score_outcome) AS score_outcome, sum(c.log_loss) AS log_loss,
       sum(c.lag) AS lag, sum(coalesce(c.weight, c.n)) AS weight, sum(coalesce(c.weight_score, c.score)) AS weight_score,
       sum(coalesce(c.weight_outcome, c.outcome)) AS weight_outcome
FROM cells AS c
JOIN own ON own.stream_id = c.stream_id
WHERE c.model_id = $model_id AND c.bucket >= $start AND c.bucket < $end
GROUP BY own.version_key, c.slice_id, c.bin
ORDER BY own.version_key, c.slice_id, c.bin;
