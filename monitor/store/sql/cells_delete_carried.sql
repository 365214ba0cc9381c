DELETE FROM cells USING renewed AS r
WHERE cells.model_id = $model_id AND cells.bucket >= $first_bucket AND cells.bucket <= $last_bucket
  AND cells.stream_id = r.stream_id AND cells.slice_id = r.slice_id AND cells.bucket = r.bucket AND cells.bin = r.bin;
