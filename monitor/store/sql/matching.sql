-- Images that were touched: their boxes out, and what came of matching them in.

-- name: match_touched
-- how many images are to be matched; not those older than retention, whose samples stay as they are until they are folded
CREATE OR REPLACE TEMP TABLE match_past AS
SELECT image_id
FROM images
WHERE model_id = $model_id AND image_id IN (SELECT image_id FROM images_touched WHERE model_id = $model_id)
GROUP BY image_id
HAVING arg_min(observed_at, said_by) FILTER (observed_at IS NOT NULL) < $oldest;

DELETE FROM images_touched WHERE model_id = $model_id AND image_id IN (SELECT image_id FROM match_past);

-- name: match_due
-- images to be matched, in lots of $lot, by time so that a lot touches few buckets
CREATE OR REPLACE TEMP TABLE match_due AS
SELECT image_id, (row_number() OVER (ORDER BY observed_at NULLS LAST, image_id) - 1) // $lot AS lot
FROM (
    SELECT t.image_id, min(i.observed_at) AS observed_at
    FROM (SELECT DISTINCT image_id FROM images_touched WHERE model_id = $model_id) AS t
    LEFT JOIN (FROM images WHERE model_id = $model_id) AS i USING (image_id)
    GROUP BY t.image_id
);

-- name: match_lot
-- the images of a lot, with what is known of each; `is_known`: whether its detections can be samples
CREATE OR REPLACE TEMP TABLE match_images AS
SELECT d.image_id, row_number() OVER (ORDER BY d.image_id) - 1 AS number,
       i.observed_at, i.width, i.height, i.version, i.cuts, b.normalised, b.pixels,
       r.labelled_at, r.dated, r.file_id AS label_file_id, r.image_id IS NOT NULL AS is_reviewed,
       coalesce(i.observed_at >= $oldest, false) AND (i.is_listed OR NOT $listed)
           AND (i.width IS NOT NULL OR (NOT $sized AND NOT (b.normalised AND b.pixels)) OR NOT coalesce(b.normalised, false))
               AS is_known
FROM (SELECT image_id FROM match_due WHERE lot = $lot) AS d
LEFT JOIN (
    SELECT image_id, bool_or(said_by = 0) AS is_listed,
           arg_min(observed_at, said_by) FILTER (observed_at IS NOT NULL) AS observed_at,
           arg_min(width, said_by) FILTER (width IS NOT NULL AND height IS NOT NULL) AS width,
           arg_min(height, said_by) FILTER (width IS NOT NULL AND height IS NOT NULL) AS height,
           any_value(version) FILTER (said_by = 0) AS version, any_value(cuts) FILTER (said_by = 0) AS cuts
    FROM images
    WHERE model_id = $model_id AND image_id IN (SELECT image_id FROM match_due WHERE lot = $lot)
    GROUP BY image_id
) AS i USING (image_id)
LEFT JOIN (
    SELECT image_id, bool_or(normalised) AS normalised, bool_or(NOT normalised) AS pixels
    FROM (
        SELECT image_id, normalised FROM detections
        WHERE model_id = $model_id AND image_id IN (SELECT image_id FROM match_due WHERE lot = $lot)
        UNION ALL
        SELECT image_id, normalised FROM truths
        WHERE model_id = $model_id AND image_id IN (SELECT image_id FROM match_due WHERE lot = $lot)
    )
    GROUP BY image_id
) AS b USING (image_id)
LEFT JOIN (FROM reviews WHERE model_id = $model_id) AS r USING (image_id);

-- name: match_detections
-- the detections of images that are known, boxes in pixels where the size is known; over the edge of their image as they came
CREATE OR REPLACE TEMP TABLE match_detections AS
SELECT d.rowid AS row_key, i.number AS image, coalesce(n.name, d.class) AS class, coalesce(d.raw_score, d.score) AS score,
       x1 * CASE WHEN d.normalised THEN coalesce(width, 1) ELSE 1 END AS x1,
       y1 * CASE WHEN d.normalised THEN coalesce(height, 1) ELSE 1 END AS y1,
       x2 * CASE WHEN d.normalised THEN coalesce(width, 1) ELSE 1 END AS x2,
       y2 * CASE WHEN d.normalised THEN coalesce(height, 1) ELSE 1 END AS y2,
       d.file_id, d.row, i.is_reviewed, d.ignored IS NOT NULL AS settled
FROM detections AS d
JOIN match_images AS i USING (image_id)
LEFT JOIN class_names AS n ON n.number = d.class
WHERE d.model_id = $model_id AND i.is_known;

CREATE OR REPLACE TEMP TABLE match_truths AS
SELECT t.rowid AS row_key, i.number AS image, t.class, t.number, t.crowd,
       x1 * CASE WHEN t.normalised THEN coalesce(width, 1) ELSE 1 END AS x1,
       y1 * CASE WHEN t.normalised THEN coalesce(height, 1) ELSE 1 END AS y1,
       x2 * CASE WHEN t.normalised THEN coalesce(width, 1) ELSE 1 END AS x2,
       y2 * CASE WHEN t.normalised THEN coalesce(height, 1) ELSE 1 END AS y2
FROM truths AS t
JOIN match_images AS i USING (image_id)
WHERE t.model_id = $model_id AND i.is_known AND i.is_reviewed;

CREATE OR REPLACE TEMP TABLE match_classes AS
SELECT class, row_number() OVER (ORDER BY class) - 1 AS category
FROM (SELECT class FROM match_detections UNION SELECT class FROM match_truths);

-- name: match_read_detections
SELECT d.row_key, d.image, c.category, d.score, d.x1, d.y1, d.x2, d.y2
FROM match_detections AS d JOIN match_classes AS c USING (class)
ORDER BY d.image, d.file_id, d.row, d.row_key;

-- name: match_read_truths
SELECT t.row_key, t.image, c.category, t.number, t.crowd, t.x1, t.y1, t.x2, t.y2
FROM match_truths AS t JOIN match_classes AS c USING (class)
ORDER BY t.image, t.number;

-- name: match_write
UPDATE detections SET matched = f.matched, ignored = f.ignored
FROM (
    SELECT d.row_key, CASE WHEN d.is_reviewed THEN f.matched END AS matched, f.ignored
    FROM match_detections AS d JOIN match_found AS f USING (row_key)
) AS f
WHERE detections.rowid = f.row_key
  AND (detections.matched IS DISTINCT FROM f.matched OR detections.ignored IS DISTINCT FROM f.ignored);

UPDATE detections SET matched = NULL, ignored = NULL
WHERE model_id = $model_id AND ignored IS NOT NULL
  AND image_id IN (SELECT image_id FROM match_images WHERE NOT is_known);

UPDATE truths SET found = f.found
FROM (SELECT row_key, finder IS NOT NULL AS found FROM match_truth_found) AS f
WHERE truths.rowid = f.row_key AND truths.found IS DISTINCT FROM f.found;

-- name: match_staged
-- detections that are right or wrong, or not labelled yet, in the shape of `staged`. The first # of an id ends the image's: one
-- that has its own is written as in addresses, lest two detections be one; `settled`: was there when its image was matched last
CREATE OR REPLACE TEMP TABLE staged AS
SELECT row_number() OVER () AS position, f.row_key, NULL::VARCHAR AS reason,
       CASE WHEN contains(d.image_id, '#') OR contains(d.image_id, '%23') OR contains(d.image_id, '%25')
            THEN replace(replace(d.image_id, '%', '%25'), '#', '%23') ELSE d.image_id END || '#' || d.detection AS sample_id,
       m.settled, i.observed_at,
       CASE WHEN i.is_reviewed THEN CASE WHEN i.dated THEN i.labelled_at ELSE greatest(i.labelled_at, i.observed_at) END END
           AS labelled_at,
       d.score, d.raw_score, d.calibrator, coalesce(d.version, i.version) AS version, d.image_id AS group_id,
       m.class AS predicted_class, NULL::FLOAT[] AS logits, CASE WHEN i.is_reviewed THEN (f.matched >= 0)::BIGINT END AS positives,
       /*slice_key*/ AS slice_key, d.file_id, CASE WHEN i.is_reviewed THEN i.label_file_id END AS label_file_id
FROM match_found AS f
JOIN detections AS d ON d.rowid = f.row_key
JOIN match_detections AS m ON m.row_key = f.row_key
JOIN match_images AS i USING (image_id)
WHERE NOT f.ignored;

CREATE OR REPLACE TEMP VIEW fresh AS FROM staged WHERE reason IS NULL;

-- name: match_existing
-- the samples that these images have
CREATE OR REPLACE TEMP TABLE existing AS
SELECT s.rowid AS row_key, s.*
FROM samples AS s
WHERE s.model_id = $model_id AND s.observed_at >= $first AND s.observed_at <= $last
  AND (s.group_id, s.observed_at) IN (
      SELECT (m.image_id, m.observed_at) FROM images_matched AS m SEMI JOIN match_images USING (image_id)
      WHERE m.model_id = $model_id);

-- name: match_span
SELECT min(observed_at), max(observed_at)
FROM images_matched SEMI JOIN match_images USING (image_id)
WHERE model_id = $model_id;

-- name: match_kept
-- a detection that was there before keeps the score it got then, also where another setting would give it another now: what is
-- learnt of its image changes no score
UPDATE staged SET score = k.score, calibrator = k.calibrator
FROM (
    SELECT s.position, e.score, nullif(t.calibrator, '') AS calibrator
    FROM staged AS s
    JOIN slice_keys AS c USING (slice_key)
    JOIN existing AS e ON e.sample_id = s.sample_id AND e.group_id = s.group_id AND e.observed_at = s.observed_at
    JOIN streams AS t USING (stream_id)
    WHERE s.settled AND e.raw_score IS NOT DISTINCT FROM s.raw_score AND (e.slice_id = c.slice_id OR NOT $applies)
      AND (e.score <> s.score OR t.calibrator <> coalesce(s.calibrator, ''))
) AS k
WHERE staged.position = k.position;

-- name: match_incoming
-- samples that are new, or other than they were
CREATE OR REPLACE TEMP TABLE match_compared AS
SELECT e.row_key, $model_id::USMALLINT AS model_id, t.stream_id, c.slice_id, f.sample_id, f.observed_at, f.labelled_at, f.score,
       f.raw_score, 1::BIGINT AS n, f.positives, f.group_id, f.predicted_class, NULL::VARCHAR AS label, f.logits, f.file_id,
       f.label_file_id, e.row_key AS old_key,
       e.row_key IS NOT NULL AND e.positives IS NULL AND f.positives IS NOT NULL AS newly_labelled,
       e.row_key IS NOT NULL AND (
           (e.positives IS NOT NULL AND e.positives IS DISTINCT FROM f.positives) OR e.score <> f.score
           OR e.slice_id <> c.slice_id OR e.stream_id <> t.stream_id) AS corrects,
       e.row_key IS NULL OR e.score <> f.score OR e.raw_score IS DISTINCT FROM f.raw_score
           OR e.positives IS DISTINCT FROM f.positives OR e.labelled_at IS DISTINCT FROM f.labelled_at
           OR e.slice_id <> c.slice_id OR e.stream_id <> t.stream_id OR e.predicted_class <> f.predicted_class AS is_other
FROM fresh AS f
LEFT JOIN slice_keys AS c ON c.slice_key = f.slice_key
LEFT JOIN stream_keys AS t ON t.version = coalesce(f.version, '') AND t.calibrator = coalesce(f.calibrator, '')
LEFT JOIN existing AS e ON e.sample_id = f.sample_id AND e.group_id = f.group_id AND e.observed_at = f.observed_at;

CREATE OR REPLACE TEMP TABLE incoming AS
SELECT * EXCLUDE (is_other, old_key), file_id AS own_file_id, false AS clipped, false AS changes_prediction
FROM match_compared WHERE is_other;

CREATE OR REPLACE TEMP TABLE replaced AS
FROM existing WHERE row_key NOT IN (SELECT old_key FROM match_compared WHERE NOT is_other);

-- name: match_counts
SELECT count(*) FILTER (row_key IS NULL), count(*) FILTER (newly_labelled AND NOT corrects), count(*) FILTER (corrects),
       (SELECT count(*) FROM replaced) - count(*) FILTER (row_key IS NOT NULL),
       count(*) FILTER (positives IS NOT NULL AND (row_key IS NULL OR newly_labelled OR corrects)
           AND observed_at < (SELECT folded_until FROM models WHERE model_id = $model_id))
FROM incoming;

-- name: match_done
DELETE FROM images_touched WHERE model_id = $model_id AND image_id IN (SELECT image_id FROM match_images);

DELETE FROM images_matched WHERE model_id = $model_id AND image_id IN (SELECT image_id FROM match_images);

DELETE FROM held_truths WHERE model_id = $model_id AND image_id IN (SELECT image_id FROM match_images WHERE is_known);

INSERT INTO images_matched
SELECT $model_id, image_id, observed_at
FROM match_images WHERE is_known AND image_id IN (SELECT group_id FROM fresh);

-- name: match_all
INSERT INTO images_touched
SELECT $model_id, image_id
FROM (SELECT image_id FROM detections WHERE model_id = $model_id UNION SELECT image_id FROM reviews WHERE model_id = $model_id);
