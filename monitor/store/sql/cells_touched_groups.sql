-- weights are 1/m with m the group's size over all slices: one new member changes its group's cells in every slice
INSERT INTO touched
SELECT DISTINCT s.stream_id, s.slice_id, bucket_of(s.observed_at, $bucket_seconds, $folded_until) AS bucket
FROM samples AS s
SEMI JOIN touched AS t
    ON t.stream_id = s.stream_id AND t.bucket = bucket_of(s.observed_at, $bucket_seconds, $folded_until)
WHERE s.model_id = $model_id AND s.observed_at >= $first AND s.observed_at < $beyond
EXCEPT SELECT * FROM touched;
