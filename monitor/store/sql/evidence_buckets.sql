-- buckets of a span with labelled cells
SELECT DISTINCT bucket
FROM cells
WHERE model_id = $model_id AND n > 0 AND bucket >= $start AND bucket < $end
ORDER BY bucket;
