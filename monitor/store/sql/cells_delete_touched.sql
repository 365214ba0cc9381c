DELETE FROM cells USING touched AS t
WHERE cells.model_id = $model_id AND cells.bucket >= $first_bucket AND cells.bucket <= $last_bucket
  AND cells.stream_id = t.stream_id AND cells.slice_id = t.slice_id AND cells.bucket = t.bucket;
