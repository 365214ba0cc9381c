DELETE FROM group_cells
WHERE model_id = $model_id AND bucket >= $first_bucket AND bucket <= $last_bucket
  AND (stream_id, bucket) IN (SELECT (stream_id, bucket) FROM touched);
