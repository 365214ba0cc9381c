-- streams (version and calibrator) and finest slices with labelled cells in a span, from when to when
SELECT stream_id, slice_id, min(bucket) AS first, max(bucket) AS last
FROM cells
WHERE model_id = $model_id AND n > 0 AND bucket >= $start AND bucket < $end
GROUP BY stream_id, slice_id
ORDER BY stream_id, slice_id;
