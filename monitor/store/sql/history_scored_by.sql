-- sums per score bin of a slice, apart by the calibrator that made the scores; only in the daemon's own database
WITH own AS (
    SELECT t.stream_id, t.calibrator FROM streams AS t JOIN models AS m USING (model_id)
    WHERE m.name = $model AND t.version = $version
),
inside AS (
    SELECT s.slice_id FROM slices AS s JOIN models AS m USING (model_id)
    WHERE m.name = $model AND len(list_filter($pairs::VARCHAR[][], lambda pair: coalesce(s.labels[pair[1]], $missing) <> pair[2])) = 0
)
SELECT own.calibrator, c.bin,
       sum(c.n)::DOUBLE AS n, sum(c.score) AS score, sum(c.outcome) AS outcome, sum(c.score_squared) AS score_squared,
       sum(c.score_outcome) AS score_outcome, sum(c.log_loss) AS log_loss, sum(coalesce(c.weight, c.n)) AS weight,
       sum(coalesce(c.weight_score, c.score)) AS weight_score, sum(coalesce(c.weight_outcome, c.outcome)) AS weight_outcome
FROM cells AS c
JOIN own ON own.stream_id = c.stream_id
SEMI JOIN inside ON inside.slice_id = c.slice_id
WHERE c.model_id = (SELECT model_id FROM models WHERE name = $model) AND c.bucket >= $since AND c.bucket < $until AND c.n > 0
GROUP BY own.calibrator, c.bin
ORDER BY own.calibrator, c.bin;
