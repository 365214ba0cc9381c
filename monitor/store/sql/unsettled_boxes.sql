-- What is not settled of boxes. Truth that is held, because the image's time is not known and other truth stands in front of it: which of them came within
-- label_horizon shows later.

-- name: held_put
-- after `box_changed` is made and before it replaces anything. What a file says of an image takes the place of what it said;
-- of images whose time is not known, what gives way now and what is not taken are held
CREATE OR REPLACE TEMP TABLE held_images AS
SELECT DISTINCT image_id FROM box_compared
EXCEPT
SELECT image_id FROM images
WHERE model_id = $model_id AND image_id IN (SELECT image_id FROM box_compared)
GROUP BY image_id
HAVING count(observed_at) > 0 AND (bool_or(said_by = 0) OR NOT $listed);

CREATE OR REPLACE TEMP TABLE held_news AS
SELECT c.*
FROM box_compared AS c
JOIN held_images USING (image_id)
LEFT JOIN box_changed AS n ON n.image_id = c.image_id AND n.file = c.file
-- one that says what is known, at the same time or at none, is that one
WHERE n.image_id IS NULL
  AND NOT coalesce(c.content = c.known_content AND (c.labelled_at IS NULL OR c.labelled_at = c.known_at), false);

DELETE FROM held_truths
WHERE model_id = $model_id AND (image_id, file_id) IN (SELECT (image_id, file_id) FROM box_compared)
  -- one that is said again without a time keeps that at which it came
  AND (image_id, file_id, content) NOT IN (SELECT (image_id, file_id, content) FROM held_news WHERE labelled_at IS NULL);

INSERT INTO held_truths
SELECT $model_id, r.image_id, hash(r.file_id, r.labelled_at, r.content, r.arrived_at), r.labelled_at, r.dated, r.content, r.file_id,
       r.row, r.arrived_at, coalesce(t.number, 0), t.class, t.x1, t.y1, t.x2, t.y2, t.normalised, t.listed, t.crowd, t.row
FROM box_changed AS c
JOIN held_images USING (image_id)
JOIN reviews AS r ON r.rowid = c.row_key
LEFT JOIN truths AS t ON t.model_id = r.model_id AND t.image_id = r.image_id
WHERE r.file_id IS DISTINCT FROM c.file_id AND (r.content <> c.content OR r.labelled_at < c.labelled_at)
ORDER BY r.image_id, t.number;

INSERT INTO held_truths
SELECT $model_id, n.image_id, hash(n.file_id, coalesce(n.labelled_at, $now), n.content, $now::TIMESTAMP), coalesce(n.labelled_at, $now),
       n.labelled_at IS NOT NULL, n.content, n.file_id, n.row, $now,
       row_number() OVER (PARTITION BY n.image_id, n.file ORDER BY s.position) - 1, s.class, s.x1, s.y1, s.x2, s.y2, s.normalised,
       s.listed, s.crowd, s.row
FROM held_news AS n
LEFT JOIN staged AS s ON s.image_id = n.image_id AND s.file = n.file AND s.reason IS NULL AND s.class IS NOT NULL
WHERE NOT EXISTS (
    FROM held_truths AS h
    WHERE h.model_id = $model_id AND h.image_id = n.image_id AND h.file_id = n.file_id AND h.content = n.content)
ORDER BY n.position, s.position;

-- name: held_back
-- for images of a lot that have no truth (any more): the newest that is held of each
CREATE OR REPLACE TEMP TABLE held_chosen AS
SELECT image_id, said
FROM held_truths
WHERE model_id = $model_id AND image_id IN (SELECT image_id FROM match_images WHERE NOT is_reviewed)
QUALIFY row_number() OVER (
    PARTITION BY image_id ORDER BY CASE WHEN dated THEN labelled_at END DESC NULLS LAST, arrived_at DESC, said, number) = 1;

INSERT INTO reviews
SELECT model_id, image_id, labelled_at, dated, content, file_id, review_row, arrived_at
FROM held_truths SEMI JOIN held_chosen USING (image_id, said)
WHERE model_id = $model_id AND number = 0;

INSERT INTO truths
SELECT model_id, image_id, number, class, x1, y1, x2, y2, normalised, listed, crowd, row, NULL
FROM held_truths SEMI JOIN held_chosen USING (image_id, said)
WHERE model_id = $model_id AND class IS NOT NULL;

DELETE FROM held_truths WHERE model_id = $model_id AND (image_id, said) IN (SELECT (image_id, said) FROM held_chosen);

-- name: held_overdue
DELETE FROM held_truths WHERE model_id = $model_id AND image_id IN (SELECT image_id FROM boxes_leaving);

-- name: held_withdrawn
-- what files that were written anew no longer say
DELETE FROM held_truths
WHERE model_id = $model_id AND list_contains($files, file_id)
  AND (image_id, file_id) NOT IN (SELECT (image_id, file_id) FROM box_every);

-- name: held_kept
UPDATE held_truths SET file_id = NULL
WHERE model_id = $model_id AND list_contains($files, file_id)
  AND (image_id, file_id) NOT IN (SELECT (image_id, file_id) FROM box_every);

-- name: refused_whole
-- images that have detections in a file of which nothing is taken: nobody knows what was found on them
CREATE OR REPLACE TEMP TABLE box_refused AS SELECT DISTINCT image_id FROM staged WHERE image_id IS NOT NULL;

INSERT INTO images_touched
SELECT $model_id, image_id
FROM (
    (SELECT image_id FROM box_refused EXCEPT SELECT image_id FROM images_refused WHERE model_id = $model_id AND file_id = $file_id)
    UNION
    (SELECT image_id FROM images_refused WHERE model_id = $model_id AND file_id = $file_id EXCEPT SELECT image_id FROM box_refused)
);

DELETE FROM images_refused WHERE model_id = $model_id AND file_id = $file_id;

INSERT INTO images_refused SELECT $model_id, image_id, $file_id, $now FROM box_refused;

-- name: refused_settled
-- after a batch is taken: what its files say counts, also that nothing was found, and so does what came from elsewhere; of
-- images whose every detection was set aside, and of which no file has one, it stays unknown
CREATE OR REPLACE TEMP TABLE box_refused AS
SELECT image_id, number_of_file(min(position), file) AS file_id
FROM staged
WHERE image_id NOT IN (SELECT image_id FROM detections WHERE model_id = $model_id AND image_id IN (SELECT image_id FROM staged))
GROUP BY image_id, file
HAVING bool_or(reason IS NOT NULL);

CREATE OR REPLACE TEMP TABLE box_settled AS
SELECT rowid AS row_key, image_id
FROM images_refused
WHERE model_id = $model_id AND (image_id, file_id) NOT IN (SELECT (image_id, file_id) FROM box_refused)
  AND (list_contains($files, file_id) OR image_id IN (SELECT image_id FROM box_every UNION ALL SELECT image_id FROM box_turns));

INSERT INTO images_touched SELECT DISTINCT $model_id, image_id FROM box_settled;

DELETE FROM images_refused WHERE rowid IN (SELECT row_key FROM box_settled);

INSERT INTO images_touched
SELECT DISTINCT $model_id, image_id FROM box_refused
WHERE (image_id, file_id) NOT IN (SELECT (image_id, file_id) FROM images_refused WHERE model_id = $model_id);

INSERT INTO images_refused
SELECT $model_id, image_id, file_id, $now FROM box_refused
WHERE (image_id, file_id) NOT IN (SELECT (image_id, file_id) FROM images_refused WHERE model_id = $model_id);

-- name: box_resized
-- after `box_changed` of images is made and before it replaces anything: images whose width and height were known, and are
-- others from now on
CREATE OR REPLACE TEMP TABLE box_resized AS
SELECT n.image_id, [b.width, b.height] AS before, [n.width, n.height] AS now
FROM box_changed AS n
JOIN (
    SELECT image_id, min(said_by) AS said_by, arg_min(width, said_by) AS width, arg_min(height, said_by) AS height
    FROM images
    WHERE model_id = $model_id AND image_id IN (SELECT image_id FROM box_changed) AND width IS NOT NULL AND height IS NOT NULL
    GROUP BY image_id
) AS b USING (image_id)
WHERE n.width IS NOT NULL AND n.height IS NOT NULL AND $said_by <= b.said_by AND (n.width <> b.width OR n.height <> b.height);

-- name: box_resized_aside
-- how many of them have rows that were set aside for the size they had, an example with its sizes, and how many rows; and of
-- how many rows so set aside it is not known any more of which image they are; a file with such rows
SELECT count(DISTINCT r.image_id), min(r.image_id), arg_min(r.before, r.image_id), arg_min(r.now, r.image_id), count(r.image_id),
       count(*) FILTER (q.image_id IS NULL), coalesce(min(q.file) FILTER (r.image_id IS NOT NULL), min(q.file))
FROM (
    SELECT file, CASE WHEN json_valid(record) THEN json_extract_string(record, '$.image_id') END AS image_id
    FROM quarantine
    WHERE model = $model AND reason = 'box_outside_image'
) AS q
LEFT JOIN box_resized AS r USING (image_id);

-- name: box_truth_appended
-- by file: objects that lie where another one lies of which the same file says another time, and an image with such
SELECT a.file, count(DISTINCT b.position), count(DISTINCT a.image_id), min(a.image_id)
FROM (FROM staged WHERE reason IS NULL AND class IS NOT NULL) AS a
JOIN (FROM staged WHERE reason IS NULL AND class IS NOT NULL) AS b USING (file, image_id)
SEMI JOIN (
    SELECT file, image_id FROM staged
    WHERE reason IS NULL
    GROUP BY file, image_id
    HAVING count(DISTINCT labelled_at) + bool_or(labelled_at IS NULL)::INTEGER > 1
) AS t USING (file, image_id)
WHERE a.position < b.position AND a.labelled_at IS DISTINCT FROM b.labelled_at AND NOT (a.crowd AND b.crowd)
  AND greatest(least(a.x2, b.x2) - greatest(a.x1, b.x1), 0) * greatest(least(a.y2, b.y2) - greatest(a.y1, b.y1), 0) * 1.8
      >= 0.8 * ((a.x2 - a.x1) * (a.y2 - a.y1) + (b.x2 - b.x1) * (b.y2 - b.y1))
GROUP BY a.file
ORDER BY a.file;
