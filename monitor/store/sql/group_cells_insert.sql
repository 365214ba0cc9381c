-- (Σ over a group's members of score − outcome)², per score bin and over all bins (-1), for each slice as shown
INSERT INTO group_cells
WITH member AS (
    SELECT s.stream_id, t.slice, bucket_of(s.observed_at, $bucket_seconds, $folded_until) AS bucket,
           (cell_bin(s.score) // 192)::SMALLINT AS score_bin, coalesce(s.group_id, s.sample_id) AS group_key,
           s.n * s.score - s.positives AS residual
    FROM samples AS s
    JOIN slice_members AS t ON t.slice_id = s.slice_id
    WHERE s.model_id = $model_id AND s.positives IS NOT NULL AND s.observed_at >= $first AND s.observed_at < $beyond
),
touched_member AS (
    SELECT m.* FROM member AS m SEMI JOIN touched AS t ON t.stream_id = m.stream_id AND t.bucket = m.bucket
),
by_group AS (
    SELECT stream_id, slice, bucket, score_bin, group_key, sum(residual) AS residual
    FROM touched_member GROUP BY ALL
    UNION ALL
    SELECT stream_id, slice, bucket, (-1)::SMALLINT, group_key, sum(residual) FROM touched_member
    GROUP BY stream_id, slice, bucket, group_key
)
SELECT $model_id, stream_id, slice, bucket, score_bin, sum(residual * residual), count(*)
FROM by_group GROUP BY stream_id, slice, bucket, score_bin;
