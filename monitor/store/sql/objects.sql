-- Objects of labelled images, found or not: written as images are matched, read by window.

-- name: objects_cuts
-- what the detections of an image say of its slices: dimensions in which all that say anything agree, and those in which not
CREATE OR REPLACE TEMP TABLE match_cuts AS
SELECT image_id, map_from_entries(list((name, value) ORDER BY name) FILTER (is_one)) AS cuts,
       list(name ORDER BY name) FILTER (NOT is_one) AS apart
FROM (
    SELECT image_id, cut.key AS name, min(cut.value) AS value, min(cut.value) = max(cut.value) AS is_one
    FROM (
        SELECT d.image_id, unnest(map_entries(d.cuts)) AS cut
        FROM match_detections AS m
        JOIN detections AS d ON d.rowid = m.row_key
        WHERE d.cuts IS NOT NULL AND m.is_reviewed
    )
    WHERE cut.value IS NOT NULL
    GROUP BY image_id, cut.key
)
GROUP BY image_id;

-- name: objects_staged
-- labelled images, and the objects on them, with the slice values of each
CREATE OR REPLACE TEMP TABLE match_labelled AS
SELECT i.image_id, i.number AS image, i.observed_at, i.version, i.width, i.height, k.apart, /*image_key*/ AS slice_key,
       i.image_id IN (SELECT group_id FROM fresh) AS predicted
FROM match_images AS i
LEFT JOIN match_cuts AS k ON k.image_id = i.image_id
-- of detections that were refused nobody knows what they found
ANTI JOIN (FROM images_refused WHERE model_id = $model_id) AS x ON x.image_id = i.image_id
WHERE i.is_known AND i.is_reviewed;

CREATE OR REPLACE TEMP TABLE match_objects AS
SELECT t.row_key, i.image_id, m.number, i.observed_at, m.class, /*object_key*/ AS slice_key
FROM match_truth_found AS t
JOIN match_truths AS m USING (row_key)
JOIN truths AS d ON d.rowid = t.row_key
JOIN match_images AS i ON i.number = m.image
LEFT JOIN match_cuts AS k ON k.image_id = i.image_id
WHERE NOT m.crowd;

CREATE OR REPLACE TEMP VIEW met AS
SELECT version, calibrator, score FROM staged WHERE reason IS NULL
UNION ALL
SELECT version, NULL, 0 FROM match_labelled WHERE NOT predicted AND version IS NOT NULL;

-- name: objects_slice_keys
SELECT slice_key, count(*) AS n
FROM (
    SELECT slice_key FROM staged WHERE reason IS NULL
    UNION ALL
    SELECT slice_key FROM match_objects
    UNION ALL
    SELECT slice_key FROM match_labelled
)
GROUP BY slice_key
ORDER BY n DESC, slice_key;

-- name: objects_renew
CREATE OR REPLACE TEMP TABLE match_scored AS
SELECT f.row_key, f.group_id AS image_id, f.observed_at, t.stream_id, f.predicted_class AS class, f.score,
       coalesce(f.raw_score, f.score) AS raw_score, c.slice_id
FROM fresh AS f
JOIN slice_keys AS c USING (slice_key)
JOIN stream_keys AS t ON t.version = coalesce(f.version, '') AND t.calibrator = coalesce(f.calibrator, '')
WHERE f.positives IS NOT NULL;

CREATE OR REPLACE TEMP TABLE match_streams AS
SELECT image_id, stream_id
FROM (SELECT image_id, stream_id, count(*) AS n FROM match_scored GROUP BY image_id, stream_id) AS c
JOIN streams AS s USING (stream_id)
QUALIFY row_number() OVER (PARTITION BY image_id ORDER BY n DESC, s.version, s.calibrator) = 1
UNION ALL
SELECT l.image_id, t.stream_id
FROM match_labelled AS l
JOIN stream_keys AS t ON t.version = l.version AND t.calibrator = ''
WHERE NOT l.predicted;

DELETE FROM labelled_images WHERE model_id = $model_id AND image_id IN (SELECT image_id FROM match_images);

DELETE FROM objects WHERE model_id = $model_id AND image_id IN (SELECT image_id FROM match_images);

DELETE FROM placements WHERE model_id = $model_id AND image_id IN (SELECT image_id FROM match_images);

INSERT INTO labelled_images
SELECT $model_id, l.image_id, l.observed_at, t.stream_id, l.predicted, c.slice_id, l.apart
FROM match_labelled AS l
JOIN slice_keys AS c USING (slice_key)
LEFT JOIN match_streams AS t USING (image_id)
ORDER BY l.observed_at, l.image_id;

INSERT INTO objects
SELECT $model_id, o.image_id, o.number, o.observed_at, coalesce(s.stream_id, t.stream_id), l.predicted, o.class, c.slice_id,
       s.score
FROM match_objects AS o
JOIN match_labelled AS l USING (image_id)
JOIN slice_keys AS c ON c.slice_key = o.slice_key
JOIN match_truth_found AS f ON f.row_key = o.row_key
LEFT JOIN match_scored AS s ON s.row_key = f.finder
LEFT JOIN match_streams AS t ON t.image_id = o.image_id
ORDER BY o.observed_at, o.image_id, o.number;

INSERT INTO placements
SELECT $model_id, d.image_id, i.observed_at, d.detection, coalesce(s.stream_id, t.stream_id), m.class, s.slice_id,
       coalesce(s.score, m.score), m.score,
       CASE WHEN NOT f.ignored THEN f.matched >= 0 END, f.found_half, f.overlap
FROM match_found AS f
JOIN match_detections AS m ON m.row_key = f.row_key
JOIN detections AS d ON d.rowid = f.row_key
JOIN match_images AS i USING (image_id)
LEFT JOIN match_scored AS s ON s.row_key = f.row_key
LEFT JOIN match_streams AS t ON t.image_id = d.image_id
WHERE m.is_reviewed AND d.image_id IN (SELECT image_id FROM match_labelled) AND NOT (f.ignored AND f.found_half IS NULL AND f.overlap IS NULL)
  AND coalesce(s.stream_id, t.stream_id) IS NOT NULL
ORDER BY i.observed_at, d.image_id;

-- name: objects_blank
-- labelled images of a window without a detection, with the stream of the image before them that has one: of their version,
-- where one is said
CREATE OR REPLACE TEMP TABLE blank AS
WITH seen AS (
    SELECT s.version, l.observed_at, arg_max(l.stream_id, s.calibrator) AS stream_id
    FROM labelled_images AS l JOIN streams AS s USING (stream_id)
    WHERE l.model_id = $model_id AND l.predicted AND l.observed_at < $end
    GROUP BY ALL
),
every AS (SELECT observed_at, arg_min(stream_id, version) AS stream_id FROM seen GROUP BY observed_at),
unseen AS (
    SELECT l.image_id, l.observed_at, l.slice_id, l.stream_id, s.version
    FROM labelled_images AS l LEFT JOIN streams AS s USING (stream_id)
    WHERE l.model_id = $model_id AND l.observed_at >= $start AND l.observed_at < $end AND NOT l.predicted
)
SELECT u.image_id, u.slice_id, coalesce(v.stream_id, f.stream_id, u.stream_id) AS stream_id
FROM unseen AS u
ASOF LEFT JOIN seen AS v ON u.version = v.version AND u.observed_at >= v.observed_at
LEFT JOIN (SELECT version, arg_min(stream_id, observed_at) AS stream_id FROM seen GROUP BY version) AS f ON f.version = u.version
WHERE u.stream_id IS NOT NULL
UNION ALL
SELECT u.image_id, u.slice_id, coalesce(e.stream_id, (SELECT arg_min(stream_id, observed_at) FROM every))
FROM unseen AS u
ASOF LEFT JOIN every AS e ON u.observed_at >= e.observed_at
WHERE u.stream_id IS NULL;

-- name: objects_rows
-- objects of a window, after objects_blank
SELECT image_id, observed_at, stream_id, predicted, class, slice_id, score
FROM objects
WHERE model_id = $model_id AND observed_at >= $start AND observed_at < $end AND predicted
UNION ALL
SELECT o.image_id, o.observed_at, b.stream_id, o.predicted, o.class, o.slice_id, o.score
FROM objects AS o
JOIN blank AS b USING (image_id)
WHERE o.model_id = $model_id AND o.observed_at >= $start AND o.observed_at < $end AND NOT o.predicted;

-- name: objects_counted
-- `bin`: -1 where none found it
SELECT coalesce(stream_id, -1) AS stream_id, predicted, slice_id, CASE WHEN score IS NULL THEN -1 ELSE cell_bin(score) END AS bin,
       count(*) AS n
FROM (/*objects_rows*/)
GROUP BY ALL
ORDER BY ALL;

-- name: objects_drawn
-- all objects of one image in $every, by a hash of its id
SELECT hash(image_id) AS image, coalesce(stream_id, -1) AS stream_id, predicted, slice_id,
       CASE WHEN score IS NULL THEN -1 ELSE cell_bin(score) END AS bin
FROM (/*objects_rows*/)
WHERE hash(image_id) % $every::UBIGINT = 0;

-- name: objects_images
SELECT coalesce(stream_id, -1) AS stream_id, predicted, slice_id, count(*) AS n
FROM (
    SELECT stream_id, predicted, slice_id
    FROM labelled_images
    WHERE model_id = $model_id AND observed_at >= $start AND observed_at < $end AND predicted
    UNION ALL
    SELECT stream_id, false, slice_id FROM blank
)
GROUP BY ALL
ORDER BY ALL;

-- name: objects_apart
SELECT DISTINCT unnest(apart)
FROM labelled_images
WHERE model_id = $model_id AND observed_at >= $start AND observed_at < $end AND apart IS NOT NULL;

-- name: objects_placements
-- the detections of one labelled image in $every, those that choose first in front
SELECT stream_id, hash(class) AS class, score, raw_score, found, found_half, overlap
FROM placements
WHERE model_id = $model_id AND observed_at >= $start AND observed_at < $end AND hash(image_id) % $every::UBIGINT = 0
ORDER BY raw_score DESC, hash(image_id), hash(class);

-- name: objects_placed
SELECT count(*) FROM placements WHERE model_id = $model_id AND observed_at >= $start AND observed_at < $end;

-- name: objects_of_classes
SELECT coalesce(stream_id, -1) AS stream_id, hash(class) AS class, count(*) AS n
FROM (/*objects_rows*/)
WHERE hash(image_id) % $every::UBIGINT = 0
GROUP BY ALL;

-- name: objects_missed
-- objects that no detection found at any score, of a version and of finest slices; `last`: part of the images by their hash
SELECT o.image_id, epoch(o.observed_at) AS observed_at, o.class
FROM (/*objects_rows*/) AS o
JOIN streams AS t USING (stream_id)
WHERE o.score IS NULL AND t.version = $version AND list_contains($covered, o.slice_id) AND hash(o.image_id) >> 48 <= $last::UBIGINT
ORDER BY o.observed_at, o.image_id, o.class;

-- name: objects_image_slices
SELECT DISTINCT slice_id
FROM labelled_images
WHERE model_id = $model_id AND observed_at >= $start AND observed_at < $end
ORDER BY slice_id;

-- name: objects_labelled
-- labelled images of a version and of slices of images, after objects_blank; not those of which a sample cannot be had
SELECT l.image_id, epoch(l.observed_at) AS observed_at
FROM labelled_images AS l
LEFT JOIN blank AS v USING (image_id)
JOIN streams AS t ON t.stream_id = coalesce(v.stream_id, l.stream_id)
ANTI JOIN (
    SELECT s.group_id AS image_id
    FROM samples AS s
    JOIN streams AS o ON o.stream_id = s.stream_id
    WHERE s.model_id = $model_id AND s.observed_at >= $start AND s.observed_at < $end AND s.raw_score IS NULL
      AND o.calibrator <> ''
) AS gone ON gone.image_id = l.image_id
WHERE l.model_id = $model_id AND l.observed_at >= $start AND l.observed_at < $end AND t.version = $version
  AND list_contains($covered, l.slice_id) AND hash(l.image_id) >> 48 <= $last::UBIGINT
ORDER BY l.observed_at, l.image_id;

-- name: seen_undecided
CREATE OR REPLACE TEMP TABLE deciding (calibrator VARCHAR, class VARCHAR, threshold DOUBLE);

-- name: seen_decided
CREATE OR REPLACE TEMP TABLE decided AS
SELECT s.stream_id, d.class, d.threshold FROM streams AS s JOIN deciding AS d USING (calibrator) WHERE s.model_id = $model_id;

-- name: seen_from
-- from when on an image without a detection can be among the newest that were missed: nothing is found in them
SELECT coalesce(min(observed_at), TIMESTAMP '1970-01-01')
FROM (
    SELECT observed_at FROM objects WHERE model_id = $model_id AND NOT predicted
    QUALIFY row_number() OVER (ORDER BY observed_at DESC) <= $most
);

-- name: seen_missed
-- after objects_blank: of images without a detection the threshold is that of the calibrator before them, as it is of rates
-- not by LIMIT, which DuckDB forgets where no threshold is in use and the condition is true of all
INSERT INTO missed_objects
WITH judged AS (
    SELECT o.* EXCLUDE (stream_id), coalesce(s.version, '') AS version, coalesce(c.threshold, w.threshold) AS threshold
    FROM objects AS o
    LEFT JOIN blank AS b ON NOT o.predicted AND b.image_id = o.image_id
    LEFT JOIN streams AS s ON s.stream_id = coalesce(b.stream_id, o.stream_id)
    LEFT JOIN decided AS c ON c.stream_id = s.stream_id AND c.class = o.class
    LEFT JOIN decided AS w ON w.stream_id = s.stream_id AND w.class = ''
    WHERE o.model_id = $model_id AND (o.score IS NULL OR o.score < coalesce(c.threshold, w.threshold))
    QUALIFY row_number() OVER (ORDER BY o.observed_at DESC, o.image_id, o.number) <= $most
)
SELECT $model, j.version, j.image_id, j.observed_at, j.class, t.x1, t.y1, t.x2, t.y2, t.normalised, j.score, j.threshold, c.labels
FROM judged AS j
JOIN truths AS t USING (model_id, image_id, number)
JOIN slices AS c USING (slice_id)
ORDER BY j.observed_at DESC, j.image_id, j.number;

-- name: seen_invented
INSERT INTO invented_objects
WITH judged AS (
    SELECT p.*, s.version, coalesce(c.threshold, w.threshold) AS threshold
    FROM placements AS p
    JOIN streams AS s USING (stream_id)
    LEFT JOIN decided AS c ON c.stream_id = p.stream_id AND c.class = p.class
    LEFT JOIN decided AS w ON w.stream_id = p.stream_id AND w.class = ''
    WHERE p.model_id = $model_id AND NOT p.found
      -- a calibrator that is not in charge has no threshold, and shows nothing; without any threshold all is shown
      AND p.score >= coalesce(c.threshold, w.threshold, CASE WHEN NOT EXISTS (FROM deciding) THEN 0 END)
    QUALIFY row_number() OVER (ORDER BY p.observed_at DESC, p.score DESC, p.image_id, p.detection) <= $most
)
SELECT $model, j.version, j.image_id, j.observed_at, j.class, d.x1, d.y1, d.x2, d.y2, d.normalised, j.score, j.threshold, c.labels
FROM judged AS j
JOIN detections AS d USING (model_id, image_id, detection)
JOIN slices AS c USING (slice_id)
ORDER BY j.observed_at DESC, j.score DESC, j.image_id, j.detection;

-- name: seen_newest
SELECT * FROM /*table*/ WHERE model = $model
ORDER BY observed_at DESC, score DESC NULLS FIRST, image_id, class
LIMIT $newest;
