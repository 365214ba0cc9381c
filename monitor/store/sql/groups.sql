-- Sums of groups beside the cells, and how far groups reach.

-- name: fold_groups_collect
CREATE OR REPLACE TEMP TABLE folded_groups AS
SELECT model_id, stream_id, slice, date_trunc('day', bucket)::TIMESTAMP AS bucket, score_bin, sum(squared_residual), sum(groups),
       across
FROM group_cells
WHERE model_id = $model_id AND bucket >= $since AND bucket < $until
GROUP BY model_id, stream_id, slice, date_trunc('day', bucket), score_bin, across;

-- name: group_cells_delete
DELETE FROM group_cells
WHERE model_id = $model_id AND bucket >= $first_bucket AND bucket <= $last_bucket
  AND (stream_id, bucket) IN (SELECT (stream_id, bucket) FROM touched);

-- name: group_cells_insert
-- (Σ over a group's members of score − outcome)², per score bin and over all bins (-1), for each slice as shown. A group that
-- several calibrators of a version scored is one of the version: what that makes more or less is kept `across` them, with the
-- first stream that the version has in the bucket
INSERT INTO group_cells
WITH member AS (
    SELECT s.stream_id, v.version, t.slice, bucket_of(s.observed_at, $bucket_seconds, $folded_until) AS bucket,
           (cell_bin(s.score) // 192)::SMALLINT AS score_bin, coalesce(s.group_id, s.sample_id) AS group_key,
           s.n * s.score - s.positives AS residual
    FROM samples AS s
    JOIN streams AS v ON v.stream_id = s.stream_id
    JOIN slice_members AS t ON t.slice_id = s.slice_id
    WHERE s.model_id = $model_id AND s.positives IS NOT NULL AND s.observed_at >= $first AND s.observed_at < $beyond
),
touched_member AS (
    SELECT m.*, min(m.stream_id) OVER (PARTITION BY m.version, m.bucket) AS first_stream,
           max(m.stream_id) OVER (PARTITION BY m.version, m.bucket) AS last_stream
    FROM member AS m
    SEMI JOIN touched AS t ON t.stream_id = m.stream_id AND t.bucket = m.bucket
),
leveled AS (
    SELECT stream_id, first_stream, last_stream, slice, bucket, group_key, residual, unnest([score_bin, -1]::SMALLINT[]) AS score_bin
    FROM touched_member
),
by_stream AS (
    SELECT stream_id, first_stream, last_stream, slice, bucket, score_bin, group_key, sum(residual) AS residual
    FROM leveled
    GROUP BY ALL
),
by_version AS (
    SELECT first_stream, slice, bucket, score_bin, group_key, sum(residual) AS residual, count(*) AS parts,
           sum(residual * residual) AS apart
    FROM by_stream
    WHERE first_stream <> last_stream
    GROUP BY first_stream, slice, bucket, score_bin, group_key
)
SELECT $model_id, stream_id, slice, bucket, score_bin, sum(residual * residual), count(*), false
FROM by_stream
GROUP BY stream_id, slice, bucket, score_bin
UNION ALL
SELECT $model_id, first_stream, slice, bucket, score_bin, sum(residual * residual - apart), sum(1 - parts), true
FROM by_version
WHERE parts > 1
GROUP BY first_stream, slice, bucket, score_bin;

-- name: group_spans
-- rows and groups, and those of groups that do not lie within one bucket or one day (UTC); the two longest groups
WITH spans AS (
    SELECT group_id, count(*) AS rows, min(epoch_us(observed_at)) AS first, max(epoch_us(observed_at)) AS last
    FROM grouped_rows
    GROUP BY group_id
)
SELECT coalesce(sum(rows), 0)::BIGINT, count(*),
       coalesce(sum(rows) FILTER (first // $bucket <> last // $bucket), 0)::BIGINT,
       coalesce(sum(rows) FILTER (first // $day <> last // $day), 0)::BIGINT,
       arg_max(struct_pack(group_id := group_id, rows := rows, seconds := (last - first) / 1000000),
               struct_pack(lasts := last - first, rows := rows, group_id := group_id), 2)
FROM spans;

-- name: window_clusters
SELECT t.version, g.slice, g.score_bin, sum(g.squared_residual) AS squared_residual, sum(g.groups)::DOUBLE AS groups
FROM group_cells AS g
JOIN streams AS t ON t.stream_id = g.stream_id
WHERE g.model_id = $model_id AND g.bucket >= $start AND g.bucket < $end
GROUP BY t.version, g.slice, g.score_bin
ORDER BY t.version, g.slice, g.score_bin;
