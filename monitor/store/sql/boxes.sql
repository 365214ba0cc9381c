-- Boxes as they come in: a batch in `staged`, and from there to images, detections and truths.

-- name: box_rows
-- a batch's rows of one shape: `typed` are its columns as expressions, `cases` give each row the first reason for which it
-- cannot be taken
SELECT * EXCLUDE (conflicting, odd_size, odd_crowd, has_observed, has_labelled, has_score, has_raw_score),
    layout = 'list' AS listed, NULL::BOOLEAN AS normalised, true AS labelled,
    CASE
        WHEN record IS NOT NULL THEN 'unreadable_line'
        /*cases*/
    END AS reason
FROM (
    SELECT * REPLACE (coalesce(CASE WHEN observed_other <= /*latest*/ THEN observed_other END, observed_at) AS observed_at,
                      CASE WHEN class IS NOT NULL AND layout IS NULL AND NOT has_score AND lower(class) IN (/*missing*/)
                           THEN NULL ELSE class END AS class),
        given[1] - CASE read_as WHEN 'cxcywh' THEN given[3] / 2 ELSE 0 END AS x1,
        given[2] - CASE read_as WHEN 'cxcywh' THEN given[4] / 2 ELSE 0 END AS y1,
        CASE read_as WHEN 'xyxy' THEN given[3] WHEN 'xywh' THEN given[1] + given[3] ELSE given[1] + given[3] / 2 END AS x2,
        CASE read_as WHEN 'xyxy' THEN given[4] WHEN 'xywh' THEN given[2] + given[4] ELSE given[2] + given[4] / 2 END AS y2
    FROM (
        SELECT *, CASE WHEN layout = 'list' THEN '/*boxes*/' ELSE layout END AS read_as
        FROM (
            SELECT _position AS position, _file AS file, _row AS row, /*unreadable*/ AS record, /*conflicting*/ AS conflicting,
                /*typed*/
            FROM (/*rows*/)
        )
    )
);

-- name: box_times_unused
-- times of images that truth says beside a table of images: none that is not taken
UPDATE staged SET observed_at = NULL, observed_other = NULL WHERE observed_at < /*oldest*/ OR observed_at > /*latest*/;

-- name: box_sizes
-- width and height of the images of `staged`, as far as they are known
CREATE OR REPLACE TEMP TABLE box_sizes AS
SELECT image_id, arg_min(width, said_by) FILTER (width IS NOT NULL AND height IS NOT NULL) AS width,
       arg_min(height, said_by) FILTER (width IS NOT NULL AND height IS NOT NULL) AS height
FROM (
    SELECT image_id, said_by, width, height FROM images
    WHERE model_id = $model_id AND image_id IN (SELECT image_id FROM staged)
    UNION ALL
    SELECT DISTINCT image_id, 3, width, height FROM staged WHERE image_id IS NOT NULL AND width IS NOT NULL
)
GROUP BY image_id;

-- name: box_review
-- each file's boxes in numbers; `small`: as shares of an image are; `cornered`: could well be two corners, `sized`: a corner
-- and a size; of those whose image has a known size or that are shares of it: `beyond`: reach over its edge, `far`: so much
-- that another layout may be meant
SELECT file, any_value(read_as), bool_or(listed), count(*), count(*) FILTER (small), count(*) FILTER (cornered),
       count(*) FILTER (NOT (x2 > x1 AND y2 > y1)), count(*) FILTER (far), count(*) FILTER (beyond), count(beyond),
       count(*) FILTER (score > 1.00001 AND score <= 100), count(score),
       count(score) FILTER (reason IS NULL), count(*) FILTER (reason IS NULL AND score > 0.0100001)
FROM (
    SELECT *, beyond AND (inside < 0.5 OR (inside < 0.75 AND over > 0.05)) AS far
    FROM (
        SELECT *, box_inside(x1, y1, x2, y2, wide, high) AS inside, box_over(x1, y1, x2, y2, wide, high) AS over,
               is_beyond(x1, y1, x2, y2, wide, high, CASE WHEN small THEN 0.01 ELSE 1 END, CASE WHEN small THEN 0.01 ELSE 1 END)
                   AS beyond
        FROM (
            SELECT s.file, s.reason, s.read_as, s.listed, s.x1, s.y1, s.x2, s.y2,
                greatest(s.score, coalesce(s.raw_score, s.score)) AS score,
                greatest(abs(given[1]), abs(given[2]), abs(given[3]), abs(given[4])) <= 1.5 AS small,
                given[3] > given[1] AND given[4] > given[2] AS cornered,
                CASE WHEN small THEN 1 ELSE z.width END AS wide, CASE WHEN small THEN 1 ELSE z.height END AS high
            FROM staged AS s
            LEFT JOIN box_sizes AS z USING (image_id)
            WHERE len(given) = 4 AND coalesce(s.reason, 'bad_box') IN ('bad_box', 'score_outside_0_1')
              AND isfinite(given[1]) AND isfinite(given[2]) AND isfinite(given[3]) AND isfinite(given[4])
              AND NOT (given[3] = 0 AND given[4] = 0)
        )
    )
)
GROUP BY file
ORDER BY file;

-- name: box_units
UPDATE staged SET normalised = list_contains($files, file) WHERE layout IS NOT NULL;

-- name: box_outside
-- boxes most of which lies outside of their image; others that reach over its edge are cut where they are matched
UPDATE staged SET reason = 'box_outside_image'
FROM (
    SELECT s.position,
        CASE WHEN s.normalised THEN 1 ELSE z.width END AS wide, CASE WHEN s.normalised THEN 1 ELSE z.height END AS high,
        CASE WHEN s.normalised THEN coalesce(1 / z.width, 0) ELSE 1 END AS x_pixel,
        CASE WHEN s.normalised THEN coalesce(1 / z.height, 0) ELSE 1 END AS y_pixel
    FROM staged AS s
    LEFT JOIN box_sizes AS z USING (image_id)
    WHERE s.reason IS NULL AND s.layout IS NOT NULL
) AS i
WHERE staged.position = i.position AND is_outside(x1, y1, x2, y2, wide, high, x_pixel, y_pixel);

-- name: box_times_conflicting
-- of one image a file says one time, and no other file says another: else ids come again, and two images would be one
UPDATE staged SET reason = 'conflicting_time'
FROM (
    SELECT f.image_id, f.file
    FROM (
        SELECT image_id, file, number_of_file(min(position), file) AS file_id, min(observed_at) AS one,
               max(observed_at) AS other, min(position) AS place
        FROM staged
        WHERE reason IS NULL AND observed_at IS NOT NULL
        GROUP BY image_id, file
    ) AS f
    LEFT JOIN images AS i
        ON i.model_id = $model_id AND i.said_by = $said_by AND i.image_id = f.image_id AND i.file_id IS DISTINCT FROM f.file_id
    QUALIFY one <> other
        OR one <> coalesce(i.observed_at, first_value(one) OVER (PARTITION BY f.image_id ORDER BY place))
) AS c
WHERE staged.image_id = c.image_id AND staged.file = c.file AND staged.reason IS NULL;

-- name: box_images_said
CREATE OR REPLACE TEMP TABLE box_images AS
SELECT image_id,
       last(observed_at ORDER BY position) FILTER (observed_at IS NOT NULL) AS observed_at,
       last(width ORDER BY position) FILTER (width IS NOT NULL AND height IS NOT NULL) AS width,
       last(height ORDER BY position) FILTER (width IS NOT NULL AND height IS NOT NULL) AS height,
       last(version ORDER BY position) FILTER (version IS NOT NULL AND $said_by = 0) AS version,
       last(cuts ORDER BY position) FILTER (cuts IS NOT NULL AND $said_by = 0) AS cuts,
       number_of_file(max(position), last(file ORDER BY position)) AS file_id,
       last(row ORDER BY position) AS row, count(*) AS seen
FROM staged
WHERE reason IS NULL AND ($said_by = 0 OR observed_at IS NOT NULL OR width IS NOT NULL OR ($said_by = 1 AND class IS NULL))
GROUP BY image_id;

-- name: box_images_changed
CREATE OR REPLACE TEMP TABLE box_changed AS
SELECT n.image_id, coalesce(n.observed_at, o.observed_at) AS observed_at, coalesce(n.width, o.width) AS width,
       coalesce(n.height, o.height) AS height, coalesce(n.version, o.version) AS version, coalesce(n.cuts, o.cuts) AS cuts,
       n.file_id, n.row, coalesce(o.arrived_at, $now) AS arrived_at, o.image_id IS NULL AS is_new
FROM box_images AS n
LEFT JOIN (FROM images WHERE model_id = $model_id AND said_by = $said_by) AS o USING (image_id)
WHERE o.image_id IS NULL OR n.observed_at <> o.observed_at OR n.width <> o.width OR n.height <> o.height
   OR n.version <> o.version OR n.cuts <> o.cuts
   OR (o.observed_at IS NULL AND n.observed_at IS NOT NULL) OR (o.width IS NULL AND n.width IS NOT NULL)
   OR (o.version IS NULL AND n.version IS NOT NULL) OR (o.cuts IS NULL AND n.cuts IS NOT NULL)
   OR o.file_id IS NULL;

-- name: box_images_replace
DELETE FROM images
WHERE model_id = $model_id AND said_by = $said_by AND image_id IN (SELECT image_id FROM box_changed);

INSERT INTO images
SELECT $model_id, image_id, $said_by, observed_at, width, height, version, cuts, file_id, row, arrived_at FROM box_changed;

INSERT INTO images_touched SELECT $model_id, image_id FROM box_changed;

-- name: box_ids_conflicting
-- one detection_id twice in an image of one file, with other boxes: neither can be believed
UPDATE staged SET reason = 'conflicting_identity'
FROM (
    SELECT file, image_id, detection_id
    FROM staged
    WHERE reason IS NULL AND detection_id IS NOT NULL
    GROUP BY file, image_id, detection_id
    HAVING count(DISTINCT (class, score, x1, y1, x2, y2)) > 1
) AS c
WHERE staged.reason IS NULL AND staged.file = c.file AND staged.image_id = c.image_id AND staged.detection_id = c.detection_id;

-- name: box_detections_said
-- one that has no id of its own is its class, #, and its rank: an id that ends so, or so and in more #, has one more # behind, so
-- that no two are alike
CREATE OR REPLACE TEMP TABLE box_every AS
SELECT image_id, detection_id, CASE WHEN regexp_matches(detection_id, '#[0-9]+#*$') THEN detection_id || '#'
                                    ELSE coalesce(detection_id, class || '#' || rank) END AS detection, class,
       CASE WHEN $applies THEN coalesce(raw, said) ELSE coalesce(said, raw) END AS score,
       CASE WHEN $applies THEN coalesce(raw, said) ELSE raw END AS raw_score,
       CASE WHEN $applies THEN NULL ELSE calibrator END AS calibrator,
       version, x1, y1, x2, y2, normalised, listed, cuts, number_of_file(position, file) AS file_id, row, position,
       clipped
FROM (
    SELECT *, CASE WHEN score IS NOT NULL THEN greatest(least(score, 1), 0) END AS said,
           CASE WHEN raw_score IS NOT NULL THEN greatest(least(raw_score, 1), 0) END AS raw,
           coalesce(score NOT BETWEEN 0 AND 1, false) OR coalesce(raw_score NOT BETWEEN 0 AND 1, false) AS clipped,
           row_number() OVER (PARTITION BY file, image_id, class, detection_id IS NULL
                              ORDER BY coalesce(raw_score, score) DESC, row) - 1 AS rank
    FROM staged
    WHERE reason IS NULL AND class IS NOT NULL
);

-- earlier releases took such ids as they are: what they stored follows, unless it could be a rank that another file gave
CREATE OR REPLACE TEMP TABLE box_renamed AS
SELECT d.rowid AS row_key, d.image_id, d.detection AS before, e.detection, m.observed_at,
       CASE WHEN contains(d.image_id, '#') OR contains(d.image_id, '%23') OR contains(d.image_id, '%25')
            THEN replace(replace(d.image_id, '%', '%25'), '#', '%23') ELSE d.image_id END || '#' AS image
FROM detections AS d
JOIN (FROM box_every WHERE detection <> detection_id) AS e ON e.image_id = d.image_id AND e.detection_id = d.detection
LEFT JOIN images_matched AS m ON m.model_id = d.model_id AND m.image_id = d.image_id
WHERE d.model_id = $model_id
  AND (d.class <> regexp_replace(d.detection, '#[0-9]+$', '')
       OR (d.file_id = e.file_id AND (d.class, d.x1, d.y1, d.x2, d.y2) = (e.class, e.x1, e.y1, e.x2, e.y2)))
  AND NOT EXISTS (FROM detections AS o
                  WHERE o.model_id = $model_id AND o.image_id = e.image_id AND o.detection = e.detection)
QUALIFY row_number() OVER (PARTITION BY d.rowid ORDER BY e.position) = 1;

UPDATE detections SET detection = r.detection FROM box_renamed AS r WHERE detections.rowid = r.row_key;

UPDATE placements SET detection = r.detection
FROM box_renamed AS r
WHERE placements.model_id = $model_id AND placements.image_id = r.image_id AND placements.detection = r.before;

UPDATE samples SET sample_id = r.image || r.detection
FROM box_renamed AS r
WHERE samples.model_id = $model_id AND samples.observed_at = r.observed_at AND samples.group_id = r.image_id
  AND samples.sample_id = r.image || r.before;

-- name: box_versions
-- of the images in `box_changed`: how many have detections of several versions, and of how many the table of images says another
-- version than their detections; an example of each, with the versions
WITH said AS (
    SELECT image_id, list(DISTINCT version ORDER BY version) AS versions
    FROM detections
    WHERE model_id = $model_id AND image_id IN (SELECT image_id FROM box_changed) AND version IS NOT NULL
    GROUP BY image_id
),
listed AS (
    SELECT image_id, version FROM images
    WHERE model_id = $model_id AND said_by = 0 AND version IS NOT NULL AND image_id IN (SELECT image_id FROM box_changed)
)
SELECT count(*) FILTER (len(s.versions) > 1), min(s.image_id) FILTER (len(s.versions) > 1),
       arg_min(s.versions, s.image_id) FILTER (len(s.versions) > 1),
       count(*) FILTER (NOT list_contains(s.versions, l.version)),
       min(s.image_id) FILTER (NOT list_contains(s.versions, l.version)),
       arg_min(list_prepend(l.version, s.versions), s.image_id) FILTER (NOT list_contains(s.versions, l.version))
FROM said AS s
LEFT JOIN listed AS l USING (image_id);

-- name: box_detections_gone
-- detections of files that were written anew which these no longer say
CREATE OR REPLACE TEMP TABLE box_gone AS
SELECT d.rowid AS row_key, d.image_id, d.file_id
FROM detections AS d
WHERE d.model_id = $model_id AND list_contains($files, d.file_id)
  AND (d.image_id, d.detection, d.file_id) NOT IN (SELECT (image_id, detection, file_id) FROM box_every);

-- name: box_truth_incomplete
-- where one row of an image's truth cannot be taken, a detection of that object would count as wrong: none of it is taken
UPDATE staged SET reason = 'incomplete_truth'
FROM (SELECT DISTINCT file, image_id FROM staged WHERE reason IS NOT NULL AND image_id IS NOT NULL) AS c
WHERE staged.reason IS NULL AND staged.file = c.file AND staged.image_id = c.image_id;

-- name: box_repeated
-- rows that say the same detection or object of an image once more, by file: they count once
CREATE OR REPLACE TEMP TABLE box_again AS
SELECT position, file
FROM staged
WHERE reason IS NULL AND class IS NOT NULL
QUALIFY row_number() OVER (
    PARTITION BY file, image_id, class, detection_id, score, raw_score, version, calibrator, x1, y1, x2, y2, crowd
    ORDER BY labelled_at DESC NULLS LAST, position) > 1;

DELETE FROM staged WHERE position IN (SELECT position FROM box_again);

-- name: box_truth_said
-- the truth of an image as each file says it: a set; of several files the later, by labelled_at where one has it, else by arrival
CREATE OR REPLACE TEMP TABLE box_every AS
SELECT image_id, file, number_of_file(min(position), file) AS file_id, max(labelled_at) AS labelled_at, min(row) AS row,
       min(position) AS position, count(*) AS seen,
       hash(list((class, x1, y1, x2, y2, normalised, crowd) ORDER BY class, x1, y1, x2, y2, normalised, crowd)
            FILTER (class IS NOT NULL)) AS content
FROM staged
WHERE reason IS NULL
GROUP BY image_id, file;

CREATE OR REPLACE TEMP TABLE box_compared AS
SELECT e.*, o.row_key, o.content AS known_content, o.dated AS known_dated, o.labelled_at AS known_at, o.file_id AS known_by,
       -- truth from before what is known is an old file sent again, and truth of no time is older than any that has one: it
       -- takes nothing back, except what its own file said before
       coalesce(o.dated AND o.file_id IS DISTINCT FROM e.file_id
                AND (e.labelled_at < o.labelled_at OR (e.labelled_at IS NULL AND o.file_id IS NOT NULL)), false) AS is_old
FROM box_every AS e
LEFT JOIN (
    SELECT rowid AS row_key, * FROM reviews WHERE model_id = $model_id AND image_id IN (SELECT image_id FROM box_every)
) AS o USING (image_id);

-- what is known of an image's time may be other than what the table of images says, where there is one
CREATE OR REPLACE TEMP TABLE box_late AS
SELECT c.image_id, c.file, coalesce(c.labelled_at, $now) AS labelled_at, t.observed_at, c.content = c.known_content AS is_known
FROM box_compared AS c
JOIN (
    SELECT image_id, arg_min(observed_at, said_by) FILTER (observed_at IS NOT NULL) AS observed_at
    FROM images
    WHERE model_id = $model_id AND image_id IN (SELECT image_id FROM box_every)
    GROUP BY image_id
    HAVING bool_or(said_by = 0) OR NOT $listed
) AS t USING (image_id)
WHERE coalesce(c.labelled_at, $now) - t.observed_at > to_seconds($horizon);

-- what comes later than label_horizon replaces nothing, and what is known stays known when it is said again
UPDATE staged SET reason = 'label_too_late', observed_at = i.observed_at, labelled_at = i.labelled_at
FROM box_late AS i
WHERE staged.reason IS NULL AND staged.image_id = i.image_id AND staged.file = i.file AND NOT coalesce(i.is_known, false);

UPDATE box_compared SET labelled_at = CASE WHEN known_dated THEN known_at END
WHERE (image_id, file) IN (SELECT (image_id, file) FROM box_late WHERE is_known);

DELETE FROM box_compared WHERE (image_id, file) IN (SELECT (image_id, file) FROM box_late WHERE NOT coalesce(is_known, false));

CREATE OR REPLACE TEMP TABLE box_changed AS
SELECT image_id, file, file_id, row, position, content, row_key,
       CASE WHEN keeps_time THEN known_at ELSE coalesce(labelled_at, $now) END AS labelled_at,
       CASE WHEN keeps_time THEN known_dated ELSE labelled_at IS NOT NULL END AS dated
FROM (
    -- truth that is said again, by a file that gives it no later time
    SELECT *, coalesce(content = known_content AND NOT (known_by IS NOT DISTINCT FROM file_id AND labelled_at IS NOT NULL)
                       AND NOT coalesce(labelled_at > known_at OR (labelled_at IS NOT NULL AND NOT known_dated), false), false)
                  AS keeps_time
    FROM box_compared
    QUALIFY row_number() OVER (PARTITION BY image_id ORDER BY labelled_at DESC NULLS LAST, position DESC) = 1
)
WHERE row_key IS NULL OR (content <> known_content AND NOT is_old)
   OR (content = known_content AND (known_by IS NULL OR (NOT keeps_time AND (NOT known_dated OR labelled_at <> known_at))));

-- name: box_truth_replace
DELETE FROM reviews WHERE rowid IN (SELECT row_key FROM box_changed WHERE row_key IS NOT NULL);

DELETE FROM truths WHERE model_id = $model_id AND image_id IN (SELECT image_id FROM box_changed);

INSERT INTO reviews
SELECT $model_id, image_id, labelled_at, dated, content, file_id, row, $now FROM box_changed;

INSERT INTO truths
SELECT $model_id, s.image_id, row_number() OVER (PARTITION BY s.image_id ORDER BY s.position) - 1, s.class, s.x1, s.y1, s.x2,
       s.y2, s.normalised, s.listed, s.crowd, s.row, NULL
FROM staged AS s
JOIN box_changed AS c ON c.image_id = s.image_id AND c.file = s.file
WHERE s.reason IS NULL AND s.class IS NOT NULL;

INSERT INTO images_touched SELECT $model_id, image_id FROM box_changed;

-- name: box_truth_undated
-- by file: its images whose truth it gives no time, and of which another is known that has one
SELECT e.file, count(*)
FROM box_compared AS e
JOIN (FROM reviews WHERE model_id = $model_id) AS r USING (image_id)
WHERE e.labelled_at IS NULL AND r.dated AND r.content <> e.content AND r.file_id IS DISTINCT FROM e.file_id
GROUP BY e.file
ORDER BY e.file;

-- name: box_truth_gone
CREATE OR REPLACE TEMP TABLE box_gone AS
SELECT r.rowid AS row_key, r.image_id, r.file_id
FROM reviews AS r
WHERE r.model_id = $model_id AND list_contains($files, r.file_id)
  AND (r.image_id, r.file_id) NOT IN (SELECT (image_id, file_id) FROM box_every);

-- name: box_images_gone
CREATE OR REPLACE TEMP TABLE box_gone AS
SELECT i.rowid AS row_key, i.image_id, i.file_id
FROM images AS i
WHERE i.model_id = $model_id AND i.said_by = 0 AND list_contains($files, i.file_id)
  AND (i.image_id, i.file_id) NOT IN (
      SELECT (image_id, number_of_file(position, file)) FROM staged WHERE reason IS NULL);

-- name: box_taken_back_quarantine
INSERT INTO quarantine
SELECT $model, $source, coalesce(f.path, 'a push'), d.row, 'taken_back',
       to_json({'image_id': d.image_id, 'detection': d.detection, 'class': d.class, 'score': d.score,
                'box': [d.x1, d.y1, d.x2, d.y2]})::VARCHAR,
       $now
FROM detections AS d
LEFT JOIN files AS f ON f.file_id = d.file_id
WHERE d.model_id = $model_id AND list_contains($numbers, d.file_id);

-- name: box_taken_back
INSERT INTO images_touched
SELECT DISTINCT $model_id, image_id FROM detections WHERE model_id = $model_id AND list_contains($numbers, file_id);

DELETE FROM detections WHERE model_id = $model_id AND list_contains($numbers, file_id);

-- name: box_truth_counts
-- by file, as if one after the other: its images; truths of images that had none, that say what is known, that say otherwise; and
-- images of which another file said otherwise
WITH compared AS (
    SELECT e.file, e.file_id, e.seen, e.content, coalesce(lag(e.content) OVER turns, e.known_content) AS before,
           coalesce(lag(e.file_id) OVER turns, e.known_by) AS before_by, e.is_old
    FROM box_compared AS e
    WINDOW turns AS (PARTITION BY image_id ORDER BY e.labelled_at NULLS FIRST, e.position)
)
SELECT file, count(*), coalesce(sum(seen) FILTER (before IS NULL), 0)::BIGINT,
       coalesce(sum(seen) FILTER (content = before OR is_old), 0)::BIGINT,
       coalesce(sum(seen) FILTER (content <> before AND NOT is_old), 0)::BIGINT,
       count(*) FILTER (content <> before AND NOT is_old AND before_by <> file_id)
FROM compared
GROUP BY file
ORDER BY file;
