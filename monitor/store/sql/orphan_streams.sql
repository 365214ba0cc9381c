-- and for no stream of the model
SELECT DISTINCT stream_id FROM cells
WHERE model_id = $model_id AND stream_id NOT IN (SELECT stream_id FROM streams WHERE model_id = $model_id)
ORDER BY stream_id;
