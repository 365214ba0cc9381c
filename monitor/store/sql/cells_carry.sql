-- and what those cells held before
INSERT INTO renewed
SELECT c.*
FROM cells AS c
SEMI JOIN renewed AS r ON r.stream_id = c.stream_id AND r.slice_id = c.slice_id AND r.bucket = c.bucket AND r.bin = c.bin
WHERE c.model_id = $model_id AND c.bucket >= $first_bucket AND c.bucket <= $last_bucket;
