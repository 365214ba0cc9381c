-- Boxes whose image is not known yet, and what becomes of them.

-- name: waiting_boxes
-- images whose detections or truth wait, and why; `arrived_at`: of the oldest of them
CREATE OR REPLACE TEMP TABLE waiting_boxes AS
SELECT b.image_id, b.arrived_at, b.predicted, b.reviewed,
    CASE WHEN NOT coalesce(i.is_listed, false) AND $listed THEN 'image'
         WHEN i.observed_at IS NULL THEN 'time'
         WHEN i.width IS NULL AND b.normalised AND ($sized OR b.pixels) THEN 'size' END AS lacks
FROM (
    SELECT image_id, min(arrived_at) AS arrived_at, bool_or(predicts) AS predicted, bool_or(NOT predicts) AS reviewed,
           coalesce(bool_or(normalised), false) AS normalised, coalesce(bool_or(NOT normalised), false) AS pixels
    FROM (
        SELECT image_id, arrived_at, true AS predicts, normalised FROM detections
        WHERE model_id = $model_id AND ignored IS NULL
        UNION ALL
        SELECT r.image_id, r.arrived_at, false, t.normalised
        FROM reviews AS r
        LEFT JOIN truths AS t ON t.model_id = r.model_id AND t.image_id = r.image_id
        WHERE r.model_id = $model_id
    )
    GROUP BY image_id
) AS b
LEFT JOIN (
    SELECT image_id, bool_or(said_by = 0) AS is_listed, any_value(observed_at) FILTER (observed_at IS NOT NULL) AS observed_at,
           any_value(width) FILTER (width IS NOT NULL AND height IS NOT NULL) AS width
    FROM images WHERE model_id = $model_id GROUP BY image_id
) AS i USING (image_id)
WHERE lacks IS NOT NULL;

-- name: waiting_box_counts
SELECT lacks, count(*), count(*) FILTER (predicted), count(*) FILTER (arrived_at < $overdue), min(image_id), max(image_id)
FROM waiting_boxes
WHERE arrived_at >= $too_old
GROUP BY lacks
ORDER BY lacks;

-- name: boxes_set_aside
-- rows of the images in `boxes_leaving` (image_id, reason, predicted, reviewed) in the shape that quarantine takes them in
CREATE OR REPLACE TEMP TABLE staged AS
SELECT row_number() OVER () AS position, coalesce(f.path, 'a push') AS file, coalesce(f.source, $source) AS source, b.row,
       b.reason, b.record, b.labelled_at, b.observed_at
FROM (
    SELECT d.file_id, d.row, e.reason, e.labelled_at, e.observed_at,
           to_json({'image_id': d.image_id, 'class': d.class, 'score': d.score, 'box': [d.x1, d.y1, d.x2, d.y2]})::VARCHAR AS record
    FROM detections AS d JOIN boxes_leaving AS e USING (image_id)
    WHERE d.model_id = $model_id AND e.predicted
    UNION ALL
    SELECT r.file_id, coalesce(t.row, r.row), e.reason, e.labelled_at, e.observed_at,
           to_json({'image_id': r.image_id, 'class': t.class, 'box': [t.x1, t.y1, t.x2, t.y2]})::VARCHAR
    FROM reviews AS r
    JOIN boxes_leaving AS e USING (image_id)
    LEFT JOIN truths AS t ON t.model_id = r.model_id AND t.image_id = r.image_id
    WHERE r.model_id = $model_id AND e.reviewed
) AS b
LEFT JOIN files AS f USING (file_id);

-- name: boxes_leave
DELETE FROM detections
WHERE model_id = $model_id AND image_id IN (SELECT image_id FROM boxes_leaving WHERE predicted);

DELETE FROM truths WHERE model_id = $model_id AND image_id IN (SELECT image_id FROM boxes_leaving WHERE reviewed);

DELETE FROM reviews WHERE model_id = $model_id AND image_id IN (SELECT image_id FROM boxes_leaving WHERE reviewed);

-- name: boxes_overdue
CREATE OR REPLACE TEMP TABLE boxes_leaving AS
SELECT image_id, CASE WHEN lacks = 'image' OR predicted THEN 'no_image' ELSE 'no_prediction' END AS reason, predicted, reviewed,
       NULL::TIMESTAMP AS labelled_at, NULL::TIMESTAMP AS observed_at
FROM waiting_boxes
WHERE arrived_at < $too_old;

-- name: boxes_late
-- images of a lot whose truth came later than label_horizon
CREATE OR REPLACE TEMP TABLE boxes_leaving AS
SELECT image_id, 'label_too_late' AS reason, false AS predicted, true AS reviewed, labelled_at, observed_at
FROM match_images
WHERE is_known AND is_reviewed AND labelled_at - observed_at > to_seconds($horizon);

-- name: boxes_outside
-- boxes of a lot that lie mostly outside of their image, whose size was not known when they came: a detection leaves alone, the
-- truth of an image as a whole
CREATE OR REPLACE TEMP TABLE boxes_beyond AS
SELECT d.rowid AS row_key, d.image_id
FROM detections AS d
JOIN match_images AS i USING (image_id)
WHERE d.model_id = $model_id AND NOT d.normalised AND is_outside(d.x1, d.y1, d.x2, d.y2, i.width, i.height, 1, 1);

CREATE OR REPLACE TEMP TABLE boxes_leaving AS
SELECT DISTINCT image_id, 'box_outside_image' AS reason, false AS predicted, true AS reviewed, NULL::TIMESTAMP AS labelled_at,
       NULL::TIMESTAMP AS observed_at
FROM truths AS t
JOIN match_images AS i USING (image_id)
WHERE t.model_id = $model_id AND NOT t.normalised AND is_outside(t.x1, t.y1, t.x2, t.y2, i.width, i.height, 1, 1);

-- name: boxes_beyond_staged
INSERT INTO staged
SELECT -row_number() OVER (), coalesce(f.path, 'a push'), coalesce(f.source, $source), d.row, 'box_outside_image',
       to_json({'image_id': d.image_id, 'class': d.class, 'score': d.score, 'box': [d.x1, d.y1, d.x2, d.y2]})::VARCHAR, NULL, NULL
FROM boxes_beyond AS b
JOIN detections AS d ON d.rowid = b.row_key
LEFT JOIN files AS f USING (file_id);

DELETE FROM detections WHERE rowid IN (SELECT row_key FROM boxes_beyond);

-- name: boxes_drop
-- what is older than retention: images by their time, others by when they came
CREATE OR REPLACE TEMP TABLE boxes_old AS
SELECT image_id
FROM images
WHERE model_id = $model_id
GROUP BY image_id
HAVING arg_min(observed_at, said_by) FILTER (observed_at IS NOT NULL) < $limit
UNION
SELECT image_id FROM images_matched WHERE model_id = $model_id AND observed_at < $limit;

DELETE FROM images
WHERE model_id = $model_id
  AND (image_id IN (SELECT image_id FROM boxes_old) OR (observed_at IS NULL AND arrived_at < $limit));

DELETE FROM detections WHERE model_id = $model_id AND (image_id IN (SELECT image_id FROM boxes_old)
    OR (arrived_at < $limit AND image_id NOT IN (SELECT image_id FROM images WHERE model_id = $model_id)));

DELETE FROM reviews WHERE model_id = $model_id AND (image_id IN (SELECT image_id FROM boxes_old)
    OR (arrived_at < $limit AND image_id NOT IN (SELECT image_id FROM images WHERE model_id = $model_id)));

DELETE FROM truths WHERE model_id = $model_id AND image_id NOT IN (SELECT image_id FROM reviews WHERE model_id = $model_id);

DELETE FROM held_truths WHERE model_id = $model_id AND (arrived_at < $limit OR image_id IN (SELECT image_id FROM boxes_old));

DELETE FROM images_refused WHERE model_id = $model_id AND (image_id IN (SELECT image_id FROM boxes_old)
    OR (arrived_at < $limit AND image_id NOT IN (SELECT image_id FROM images WHERE model_id = $model_id)));

DELETE FROM labelled_images WHERE model_id = $model_id AND observed_at < $limit;

DELETE FROM objects WHERE model_id = $model_id AND observed_at < $limit;

DELETE FROM placements WHERE model_id = $model_id AND observed_at < $limit;

DELETE FROM images_matched WHERE model_id = $model_id AND observed_at < $limit;

-- name: boxes_read_anew
-- boxes of lists of four, which were read as $before, read as $boxes
UPDATE /*table*/ SET x1 = n.c1, y1 = n.c2, x2 = n.c3, y2 = n.c4
FROM (
    SELECT row_key,
        CASE $boxes WHEN 'cxcywh' THEN g1 - g3 / 2 ELSE g1 END AS c1, CASE $boxes WHEN 'cxcywh' THEN g2 - g4 / 2 ELSE g2 END AS c2,
        CASE $boxes WHEN 'xyxy' THEN g3 WHEN 'xywh' THEN g1 + g3 ELSE g1 + g3 / 2 END AS c3,
        CASE $boxes WHEN 'xyxy' THEN g4 WHEN 'xywh' THEN g2 + g4 ELSE g2 + g4 / 2 END AS c4
    FROM (
        SELECT b.rowid AS row_key,
            CASE $before WHEN 'cxcywh' THEN (x1 + x2) / 2 ELSE x1 END AS g1,
            CASE $before WHEN 'cxcywh' THEN (y1 + y2) / 2 ELSE y1 END AS g2,
            CASE $before WHEN 'xyxy' THEN x2 ELSE x2 - x1 END AS g3, CASE $before WHEN 'xyxy' THEN y2 ELSE y2 - y1 END AS g4
        FROM /*table*/ AS b
        WHERE b.model_id = $model_id AND b.listed
    )
) AS n
WHERE /*table*/.rowid = n.row_key;

-- name: box_cursors_delete
DELETE FROM cursors WHERE model_id = $model_id AND list_contains($sources, source);
