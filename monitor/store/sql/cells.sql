-- Sums per bucket, finest slice and bin: renewed after an ingest, read by window, folded into days.

-- name: cell_sums
-- the sums of labelled cells `c` that every statistic is computed from; cells without weights are of independent samples
sum(c.n)::DOUBLE AS n, sum(c.score) AS score, sum(c.outcome) AS outcome, sum(c.score_squared) AS score_squared,
       sum(c.score_outcome) AS score_outcome, sum(c.log_loss) AS log_loss, sum(coalesce(c.weight, c.n)) AS weight,
       sum(coalesce(c.weight_score, c.score)) AS weight_score, sum(coalesce(c.weight_outcome, c.outcome)) AS weight_outcome;

-- name: added_sums
-- cells added up to be stored, in the order of their columns
sum(n), sum(unlabelled), sum(score), sum(outcome), sum(score_squared), sum(score_outcome), sum(log_loss), sum(lag),
       CASE WHEN count(weight) > 0 THEN sum(coalesce(weight, n)) END,
       CASE WHEN count(weight) > 0 THEN sum(coalesce(weight_score, score)) END,
       CASE WHEN count(weight) > 0 THEN sum(coalesce(weight_outcome, outcome)) END;

-- name: sample_sums
-- sums of samples; `sign`: -1 takes one back; `members`: how many its group has, each weighs one of so many
coalesce(sum(sign * n) FILTER (positives IS NOT NULL), 0)::BIGINT                       AS n,
    coalesce(sum(sign * n) FILTER (positives IS NULL), 0)::BIGINT                       AS unlabelled,
    coalesce(sum(sign * score * n) FILTER (positives IS NOT NULL), 0)                   AS score,
    coalesce(sum(sign * positives), 0)::DOUBLE                                          AS outcome,
    coalesce(sum(sign * score * score * n) FILTER (positives IS NOT NULL), 0)           AS score_squared,
    coalesce(sum(sign * score * positives), 0)                                          AS score_outcome,
    coalesce(sum(sign * log_loss(score, n, positives)) FILTER (positives IS NOT NULL), 0) AS log_loss,
    coalesce(sum(sign * greatest(epoch(labelled_at) - epoch(observed_at), 0) * n) FILTER (positives IS NOT NULL), 0) AS lag,
    CASE WHEN bool_or(members > 1) THEN coalesce(sum(sign * n / members) FILTER (positives IS NOT NULL), 0) END AS weight,
    CASE WHEN bool_or(members > 1) THEN coalesce(sum(sign * score * n / members) FILTER (positives IS NOT NULL), 0) END
                                                                                        AS weight_score,
    CASE WHEN bool_or(members > 1) THEN coalesce(sum(sign * positives / members), 0) END AS weight_outcome;

-- name: bucket_cells
SELECT c.bucket, c.bin,
       /*cell_sums*/
FROM cells AS c
JOIN streams AS t ON t.stream_id = c.stream_id
WHERE c.model_id = $model_id AND t.version = $version AND list_contains($covered, c.slice_id) AND c.n > 0
  AND c.bucket >= $start AND c.bucket < $end
GROUP BY c.bucket, c.bin
ORDER BY c.bucket, c.bin;

-- name: cells_added
-- the batch's own sums, less those of the rows it replaces: sums are additive, so no other sample need be read
CREATE OR REPLACE TEMP TABLE renewed AS
SELECT
    model_id, stream_id, slice_id, bucket, bin,
    /*sample_sums*/
FROM (
    SELECT *, n AS members, bucket_of(observed_at, $bucket_seconds, $folded_until) AS bucket, cell_bin(score) AS bin
    FROM (
        SELECT model_id, stream_id, slice_id, observed_at, labelled_at, score, n, positives, 1 AS sign FROM incoming
        UNION ALL
        SELECT model_id, stream_id, slice_id, observed_at, labelled_at, score, n, positives, -1
        FROM replaced
    )
) AS i
GROUP BY model_id, stream_id, slice_id, bucket, bin;

-- name: cells_carry
-- and what those cells held before
INSERT INTO renewed
SELECT c.*
FROM cells AS c
SEMI JOIN renewed AS r ON r.stream_id = c.stream_id AND r.slice_id = c.slice_id AND r.bucket = c.bucket AND r.bin = c.bin
WHERE c.model_id = $model_id AND c.bucket >= $first_bucket AND c.bucket <= $last_bucket;

-- name: cells_delete_carried
DELETE FROM cells USING renewed AS r
WHERE cells.model_id = $model_id AND cells.bucket >= $first_bucket AND cells.bucket <= $last_bucket
  AND cells.stream_id = r.stream_id AND cells.slice_id = r.slice_id AND cells.bucket = r.bucket AND cells.bin = r.bin;

-- name: cells_delete_touched
DELETE FROM cells USING touched AS t
WHERE cells.model_id = $model_id AND cells.bucket >= $first_bucket AND cells.bucket <= $last_bucket
  AND cells.stream_id = t.stream_id AND cells.slice_id = t.slice_id AND cells.bucket = t.bucket;

-- name: cells_insert
INSERT INTO cells
SELECT model_id, stream_id, slice_id, bucket, bin,
       /*added_sums*/
FROM renewed
GROUP BY model_id, stream_id, slice_id, bucket, bin
HAVING sum(n) <> 0 OR sum(unlabelled) <> 0;

-- name: cells_recomputed
-- the touched buckets of a grouped model from their samples; each sample weighs 1/m, with m the size of its group, which may
-- have been scored by several calibrators
CREATE OR REPLACE TEMP TABLE renewed AS
SELECT
    model_id, stream_id, slice_id, bucket, bin,
    /*sample_sums*/
FROM (
    SELECT *, 1 AS sign,
           CASE WHEN group_id IS NULL THEN n ELSE sum(n) OVER (PARTITION BY version, bucket, group_id) END AS members
    FROM (
        SELECT s.*, v.version, bucket_of(s.observed_at, $bucket_seconds, $folded_until) AS bucket, cell_bin(s.score) AS bin
        FROM samples AS s
        JOIN streams AS v ON v.stream_id = s.stream_id
        WHERE s.model_id = $model_id AND s.observed_at >= $first AND s.observed_at < $beyond
    ) AS s
    SEMI JOIN touched AS t
        ON t.stream_id = s.stream_id AND t.slice_id = s.slice_id AND t.bucket = s.bucket
)
GROUP BY model_id, stream_id, slice_id, bucket, bin;

-- name: cells_touched
-- of a grouped model, the buckets and finest slices to recompute: those of the batch's rows and of the rows they replace
CREATE OR REPLACE TEMP TABLE touched AS
SELECT DISTINCT stream_id, slice_id, bucket_of(observed_at, $bucket_seconds, $folded_until) AS bucket
FROM (
    SELECT stream_id, slice_id, observed_at FROM incoming
    UNION ALL
    SELECT stream_id, slice_id, observed_at FROM replaced
);

-- name: cells_touched_groups
-- weights are 1/m with m the group's size over all slices and calibrators: one new member changes its group's cells in each
INSERT INTO touched
SELECT DISTINCT s.stream_id, s.slice_id, bucket_of(s.observed_at, $bucket_seconds, $folded_until) AS bucket
FROM samples AS s
JOIN streams AS v ON v.stream_id = s.stream_id
SEMI JOIN (SELECT DISTINCT w.version, t.bucket FROM touched AS t JOIN streams AS w ON w.stream_id = t.stream_id) AS t
    ON t.version = v.version AND t.bucket = bucket_of(s.observed_at, $bucket_seconds, $folded_until)
WHERE s.model_id = $model_id AND s.observed_at >= $first AND s.observed_at < $beyond
EXCEPT SELECT * FROM touched;

-- name: fold_collect
CREATE OR REPLACE TEMP TABLE folded AS
SELECT model_id, stream_id, slice_id, date_trunc('day', bucket)::TIMESTAMP AS bucket, bin,
       /*added_sums*/
FROM cells
WHERE model_id = $model_id AND bucket >= $since AND bucket < $until
GROUP BY model_id, stream_id, slice_id, date_trunc('day', bucket), bin;

-- name: window_cells
-- version_key: the smallest stream of the version, a number that stands for its text
WITH own AS (
    SELECT stream_id, min(stream_id) OVER (PARTITION BY version) AS version_key FROM streams WHERE model_id = $model_id
)
SELECT own.version_key, c.slice_id, c.bin,
       /*cell_sums*/,
       sum(c.unlabelled)::DOUBLE AS unlabelled, sum(c.lag) AS lag
FROM cells AS c
JOIN own ON own.stream_id = c.stream_id
WHERE c.model_id = $model_id AND c.bucket >= $start AND c.bucket < $end
GROUP BY own.version_key, c.slice_id, c.bin
ORDER BY own.version_key, c.slice_id, c.bin;

-- name: cells_revision
UPDATE models
SET revision = revision + 1,
    changed_from = least(changed_from, (SELECT min(bucket) FROM renewed WHERE bucket >= models.folded_until))
WHERE model_id = $model_id;

-- name: cells_grouped
SELECT EXISTS (FROM incoming WHERE group_id IS NOT NULL) OR EXISTS (FROM group_cells WHERE model_id = $model_id);
