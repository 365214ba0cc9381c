-- labelled sums per calibrator that scored the samples, for the precision and recall of its thresholds
WITH own AS (
    SELECT stream_id, calibrator, min(stream_id) OVER (PARTITION BY version) AS version_key
    FROM streams
    WHERE model_id = $model_id
)
SELECT own.version_key, own.calibrator, c.slice_id, c.bin, sum(c.n)::DOUBLE AS n, sum(c.outcome) AS outcome
FROM cells AS c
JOIN own ON own.stream_id = c.stream_id
WHERE c.model_id = $model_id AND c.bucket >= $start AND c.bucket < $end
  AND list_contains($calibrators, own.calibrator) AND c.n > 0
GROUP BY own.version_key, own.calibrator, c.slice_id, c.bin
ORDER BY own.version_key, own.calibrator, c.slice_id, c.bin;
