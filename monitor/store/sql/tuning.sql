-- Boxes of labelled images, for tuning: matched as the newest boxes and objects stand. match_lot and match_detections follow.

-- name: tune_due
-- labelled images observed in [$start, $end), of the first of 65,536 parts by their hash
CREATE OR REPLACE TEMP TABLE match_due AS
SELECT image_id, 0 AS lot
FROM (
    SELECT image_id, arg_min(observed_at, said_by) FILTER (observed_at IS NOT NULL) AS observed_at
    FROM images
    WHERE model_id = $model_id
    GROUP BY image_id
) AS i
SEMI JOIN (FROM reviews WHERE model_id = $model_id) AS r USING (image_id)
ANTI JOIN (FROM images_refused WHERE model_id = $model_id) AS x USING (image_id)
WHERE i.observed_at >= $start AND i.observed_at < $end AND hash(image_id) >> 48 < $parts::UBIGINT;

-- name: tune_count
SELECT count(*) FROM detections WHERE model_id = $model_id AND image_id IN (SELECT image_id FROM match_due);

-- name: tune_images
-- in the order of time; cuts, version and whether all scores can be had from before any calibration, as their boxes have them
SELECT m.number, epoch(m.observed_at) AS observed_at, coalesce(d.version, m.version) AS version, m.cuts, d.cuts AS of_boxes,
       coalesce(d.differ, false) AS differ, coalesce(d.without_raw, 0) AS without_raw,
       d.without_raw IS NULL AS blank
FROM match_images AS m
LEFT JOIN (
    SELECT f.image AS number, min(d.version) AS version, any_value(d.cuts) AS cuts, count(DISTINCT d.cuts) > 1 AS differ,
           count(*) FILTER (d.raw_score IS NULL AND coalesce(d.calibrator, '') <> '') AS without_raw
    FROM match_detections AS f
    JOIN detections AS d ON d.rowid = f.row_key
    GROUP BY f.image
) AS d USING (number)
WHERE m.is_known AND m.is_reviewed
ORDER BY m.observed_at, m.image_id;

-- name: tune_classes
SELECT class FROM match_classes ORDER BY category;

-- name: tune_detections
SELECT d.image, c.category, d.score, d.x1, d.y1, d.x2, d.y2
FROM match_detections AS d JOIN match_classes AS c USING (class)
WHERE d.is_reviewed
ORDER BY d.image, d.file_id, d.row, d.row_key;

-- name: tune_truths
SELECT t.image, c.category, t.crowd, t.x1, t.y1, t.x2, t.y2
FROM match_truths AS t JOIN match_classes AS c USING (class)
ORDER BY t.image, t.number;

-- name: tune_done
DROP TABLE IF EXISTS match_due;

DROP TABLE IF EXISTS match_images;

DROP TABLE IF EXISTS match_detections;

DROP TABLE IF EXISTS match_truths;

DROP TABLE IF EXISTS match_classes;
