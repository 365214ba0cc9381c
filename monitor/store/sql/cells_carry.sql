-- and what those cells held before
INSERT INTO renewed
SELECT c.*
FROM cells AS c
SEMI JOIN touched AS t ON t.stream_id = c.stream_id AND t.slice_id = c.slice_id AND t.bucket = c.bucket AND NOT t.recompute
WHERE c.model_id = $model_id AND c.bucket >= $first_bucket AND c.bucket <= $last_bucket;
