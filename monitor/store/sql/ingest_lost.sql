-- a row that is to come in under a slice or a stream that the model does not have
SELECT i.sample_id, i.slice_id, i.stream_id
FROM (SELECT slice_id, stream_id, any_value(sample_id) AS sample_id FROM incoming GROUP BY slice_id, stream_id) AS i
WHERE i.slice_id IS NULL OR i.stream_id IS NULL
   OR NOT EXISTS (FROM slices AS s WHERE s.slice_id = i.slice_id AND s.model_id = $model_id)
   OR NOT EXISTS (FROM streams AS t WHERE t.stream_id = i.stream_id AND t.model_id = $model_id)
LIMIT 1;
