-- Stored rows that say something else in the form that values have now.

-- name: orphan_slices
-- numbers in cells, which have those of all samples, that stand for no slice of the model
SELECT DISTINCT slice_id FROM cells
WHERE model_id = $model_id AND slice_id NOT IN (SELECT slice_id FROM slices WHERE model_id = $model_id)
ORDER BY slice_id;

-- name: orphan_streams
-- and for no stream of the model
SELECT DISTINCT stream_id FROM cells
WHERE model_id = $model_id AND stream_id NOT IN (SELECT stream_id FROM streams WHERE model_id = $model_id)
ORDER BY stream_id;

-- name: renewal_cells
-- cells of slices that became one with another, of days whose samples are gone: they are added to those of that
CREATE OR REPLACE TEMP TABLE renewed AS
SELECT c.* REPLACE (m.target AS slice_id) FROM cells AS c JOIN moved_slices AS m USING (slice_id) WHERE c.model_id = $model_id;

DELETE FROM cells WHERE model_id = $model_id AND slice_id IN (SELECT slice_id FROM moved_slices);

UPDATE objects SET slice_id = m.target
FROM moved_slices AS m WHERE objects.model_id = $model_id AND objects.slice_id = m.slice_id;

UPDATE labelled_images SET slice_id = m.target
FROM moved_slices AS m WHERE labelled_images.model_id = $model_id AND labelled_images.slice_id = m.slice_id;

UPDATE placements SET slice_id = m.target
FROM moved_slices AS m WHERE placements.model_id = $model_id AND placements.slice_id = m.slice_id;

INSERT INTO renewed
SELECT c.*
FROM cells AS c
SEMI JOIN renewed AS r ON r.stream_id = c.stream_id AND r.slice_id = c.slice_id AND r.bucket = c.bucket AND r.bin = c.bin
WHERE c.model_id = $model_id;

DELETE FROM cells USING renewed AS r
WHERE cells.model_id = $model_id AND cells.stream_id = r.stream_id AND cells.slice_id = r.slice_id AND cells.bucket = r.bucket
  AND cells.bin = r.bin;

INSERT INTO cells
SELECT model_id, stream_id, slice_id, bucket, bin,
       /*added_sums*/
FROM renewed
GROUP BY model_id, stream_id, slice_id, bucket, bin;

UPDATE slices
SET last_observed_at = greatest(slices.last_observed_at, old.last_observed_at),
    last_labelled_at = greatest(slices.last_labelled_at, old.last_labelled_at)
FROM (SELECT m.target, max(s.last_observed_at) AS last_observed_at, max(s.last_labelled_at) AS last_labelled_at
      FROM slices AS s JOIN moved_slices AS m USING (slice_id) WHERE s.model_id = $model_id GROUP BY m.target) AS old
WHERE slices.model_id = $model_id AND slices.slice_id = old.target;

-- name: renewal_found
-- samples of some days that say something else in the form that values have now, and what they say then
CREATE OR REPLACE TEMP TABLE renewed AS
WITH plain AS (
    SELECT s.rowid AS row_key, s.sample_id, s.observed_at, s.group_id, s.predicted_class, s.label, s.positives, s.slice_id, s.n,
        /*texts*/,
        /*observed_at*/ AS new_observed_at,
        coalesce(m.target, s.slice_id) AS new_slice_id,
        /*label_source*/ AS label_source
    FROM samples AS s
    LEFT JOIN moved_slices AS m ON m.slice_id = s.slice_id
    LEFT JOIN renewal_files AS f ON f.file_id = s.file_id
    LEFT JOIN renewal_files AS l ON l.file_id = s.label_file_id
    WHERE s.model_id = $model_id AND s.observed_at >= $first AND s.observed_at < $latest
),
followed AS (
    SELECT *, label IS NOT NULL AND n = 1 AND /*follows*/ AS follows
    FROM plain
    WHERE new_observed_at >= $first AND new_observed_at < $beyond
),
judged AS (
    SELECT *, (CASE WHEN follows THEN /*outcome*/ ELSE positives END)::BIGINT AS new_positives
    FROM followed
)
SELECT
    row_key, coalesce(new_sample_id, sample_id) AS sample_id, new_observed_at AS observed_at, new_group_id AS group_id,
    new_predicted_class AS predicted_class, new_label AS label, new_slice_id AS slice_id, new_positives AS positives, follows,
    new_positives IS DISTINCT FROM positives                                            AS judged,
    positives IS NOT NULL AND new_positives IS NULL                                     AS unlabelled,
    coalesce(new_sample_id, sample_id) <> sample_id OR new_observed_at <> observed_at   AS moved
FROM judged
WHERE coalesce(new_sample_id, sample_id) <> sample_id OR new_observed_at <> observed_at OR new_slice_id <> slice_id
   OR new_group_id IS DISTINCT FROM group_id OR new_predicted_class IS DISTINCT FROM predicted_class
   OR new_label IS DISTINCT FROM label OR new_positives IS DISTINCT FROM positives;

-- name: renewal_groups
-- sums of groups under the texts that slices have now
CREATE OR REPLACE TEMP TABLE renewed_groups AS
SELECT g.model_id, g.stream_id, coalesce(r.new, g.slice) AS slice, g.bucket, g.score_bin, sum(g.squared_residual) AS squared,
       sum(g.groups)::BIGINT AS groups, g.across
FROM group_cells AS g
LEFT JOIN renamed_slices AS r ON r.old = g.slice
WHERE g.model_id = $model_id
GROUP BY ALL;

DELETE FROM group_cells WHERE model_id = $model_id;

INSERT INTO group_cells SELECT model_id, stream_id, slice, bucket, score_bin, squared, groups, across FROM renewed_groups;

-- name: renewal_merged
-- of rows that become one the newest prediction counts, and the newest label that says something, as of files read in turn
INSERT INTO repeated_rows
WITH merged AS (
    SELECT *,
           last_value(file_id) OVER (
               PARTITION BY sample_id, observed_at ORDER BY row_key ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
           ) AS kept,
           last_value(label_file_id) OVER (
               PARTITION BY sample_id, observed_at ORDER BY positives IS NOT NULL, label IS NOT NULL, labelled_at NULLS FIRST, row_key
               ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
           ) AS kept_label
    FROM incoming SEMI JOIN renewal_several USING (sample_id, observed_at)
)
SELECT model_id, file_id, hash(sample_id, observed_at), false, observed_at::DATE
FROM merged WHERE file_id IS DISTINCT FROM kept AND file_id IS NOT NULL
UNION
SELECT model_id, label_file_id, hash(sample_id, observed_at), true, observed_at::DATE
FROM merged WHERE label_file_id IS DISTINCT FROM kept_label AND label_file_id IS NOT NULL
EXCEPT SELECT model_id, file_id, identity, labels, day FROM repeated_rows;

CREATE OR REPLACE TEMP TABLE incoming AS
WITH ranked AS (
    SELECT *, row_number() OVER (
        PARTITION BY sample_id, observed_at
        ORDER BY positives IS NOT NULL, label IS NOT NULL, labelled_at NULLS FIRST, row_key
    ) AS label_rank
    FROM incoming SEMI JOIN renewal_several USING (sample_id, observed_at)
),
one AS (
    SELECT
        max(row_key)                                                                    AS row_key,
        any_value(model_id)                                                             AS model_id,
        arg_max(stream_id, row_key)                                                     AS stream_id,
        arg_max(slice_id, row_key)                                                      AS slice_id,
        sample_id, observed_at,
        arg_max(score, row_key)                                                         AS score,
        arg_max(raw_score, row_key)                                                     AS raw_score,
        arg_max(n, row_key)                                                             AS n,
        arg_max(group_id, row_key)                                                      AS group_id,
        arg_max(predicted_class, row_key)                                               AS predicted_class,
        arg_max(logits, row_key)                                                        AS logits,
        arg_max_null(file_id, row_key)                                                  AS file_id,
        arg_max_null(labelled_at, label_rank)                                           AS labelled_at,
        arg_max_null(positives, label_rank)                                             AS positives,
        arg_max_null(label, label_rank)                                                 AS label,
        arg_max_null(label_file_id, label_rank)                                         AS label_file_id,
        bool_or(follows)                                                                AS follows
    FROM ranked
    GROUP BY sample_id, observed_at
)
SELECT * REPLACE (
    CASE WHEN follows AND $from_names AND positives IS NOT NULL AND label IS NOT NULL AND predicted_class IS NOT NULL
        THEN (label = predicted_class)::BIGINT ELSE positives END AS positives
)
FROM one
UNION ALL BY NAME
SELECT * FROM incoming ANTI JOIN renewal_several USING (sample_id, observed_at);

-- name: renewal_met
-- rows that say the same as before, and whose identity another row now has too
INSERT INTO renewed
SELECT s.rowid, s.sample_id, s.observed_at, s.group_id, s.predicted_class, s.label, s.slice_id, s.positives, false, false, false,
    false
FROM samples AS s
WHERE s.model_id = $model_id AND s.observed_at >= $first AND s.observed_at < $beyond
  AND (s.sample_id, s.observed_at) IN (SELECT (sample_id, observed_at) FROM renewed WHERE moved)
  AND s.rowid NOT IN (SELECT row_key FROM renewed);

-- name: renewal_rows
-- rows of renewed days that give way, and those that take their place
CREATE OR REPLACE TEMP TABLE replaced AS
SELECT s.rowid AS row_key, s.*
FROM samples AS s
WHERE s.model_id = $model_id AND s.observed_at >= $first AND s.observed_at < $latest
  AND s.rowid IN (SELECT row_key FROM renewed);

CREATE OR REPLACE TEMP TABLE incoming AS
SELECT r.* REPLACE (
        w.sample_id AS sample_id, w.observed_at AS observed_at, w.group_id AS group_id, w.predicted_class AS predicted_class,
        w.label AS label, w.slice_id AS slice_id, w.positives AS positives,
        -- an outcome that was none has come now, where nothing says when its label did
        CASE WHEN w.positives IS NOT NULL THEN coalesce(r.labelled_at, $now) ELSE r.labelled_at END AS labelled_at
    ),
    w.follows
FROM replaced AS r
JOIN renewed AS w USING (row_key);

-- name: renewal_several
-- identities that rows have become one of, and whether those rows predict differently
CREATE OR REPLACE TEMP TABLE renewal_several AS
SELECT sample_id, observed_at,
    count(DISTINCT score) > 1 OR count(DISTINCT predicted_class) > 1 OR count(DISTINCT slice_id) > 1
        OR count(DISTINCT stream_id) > 1 AS differs
FROM incoming
GROUP BY sample_id, observed_at
HAVING count(*) > 1;

-- name: orphans_collect
CREATE OR REPLACE TEMP TABLE orphaned AS
SELECT s.file_id, count(*) AS rows
FROM samples AS s
WHERE s.model_id = $model_id AND (list_contains($slices, s.slice_id) OR list_contains($streams, s.stream_id))
GROUP BY s.file_id;

-- name: orphans_cursors_delete
DELETE FROM cursors
WHERE model_id = $model_id
  AND (source, item) IN (
      SELECT (f.source, f.path) FROM files AS f JOIN orphaned AS o USING (file_id) WHERE f.model_id = $model_id
  );

-- name: orphans_replaced
CREATE OR REPLACE TEMP TABLE replaced AS
SELECT s.rowid AS row_key, s.*
FROM samples AS s
WHERE s.model_id = $model_id AND list_contains($lost, s.slice_id);

-- name: orphans_counts
SELECT coalesce(sum(o.rows), 0), coalesce(sum(o.rows) FILTER (c.item IS NOT NULL), 0)
FROM orphaned AS o
LEFT JOIN files AS f ON f.file_id = o.file_id AND f.model_id = $model_id
LEFT JOIN cursors AS c ON c.model_id = $model_id AND c.source = f.source AND c.item = f.path;

-- name: renewal_repeated_rows
UPDATE repeated_rows
SET identity = hash(i.sample_id, i.observed_at), day = i.observed_at::DATE
FROM incoming AS i
JOIN replaced AS r USING (row_key)
WHERE repeated_rows.model_id = r.model_id AND repeated_rows.identity = hash(r.sample_id, r.observed_at);

-- name: renewal_is_due
SELECT EXISTS (FROM samples WHERE model_id = $model_id)
    OR EXISTS (FROM parked_labels WHERE model_id = $model_id)
    OR EXISTS (FROM slices WHERE model_id = $model_id);

-- name: renewal_binary_words
SELECT bool_or(label IN ('0', '0.0')), bool_or(label IN ('1', '1.0', '+1'))
FROM samples
WHERE model_id = $model_id AND label IN ('0', '0.0', '1', '1.0', '+1');

-- name: renewal_days
SELECT date_trunc('day', observed_at)::TIMESTAMP AS day, count(*)
FROM samples
WHERE model_id = $model_id
GROUP BY day;

-- name: renewal_serving_end
UPDATE serving
SET until = $now
WHERE model = $model AND until IS NULL
  AND rowid NOT IN (
      SELECT arg_max(rowid, (since, rowid)) FROM serving WHERE model = $model AND until IS NULL GROUP BY scope
  );

-- name: renewal_slice_labels
UPDATE slices
SET labels = map($names::VARCHAR[], $texts::VARCHAR[])
WHERE model_id = $model_id AND slice_id = $number;
