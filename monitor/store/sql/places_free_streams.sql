-- versions and calibrators of which no sample is left
UPDATE streams SET placed = false
WHERE model_id = $model_id AND placed
  AND stream_id NOT IN (SELECT DISTINCT stream_id FROM samples WHERE model_id = $model_id);
