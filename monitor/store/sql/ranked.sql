-- Detections of a batch beside those that are known. Without ids of their own they are told apart by rank alone, so that two
-- inferences of one image cannot be put together: all that the last file says of it stands, as of truth.

-- name: box_detections_compared
-- files that say which detections without ids an image has (none, where they name the image alone), one after the other
CREATE OR REPLACE TEMP TABLE box_turns AS
SELECT image_id, file_id, row_number() OVER images AS turn, lead(file_id) OVER images IS NULL AS is_last
FROM (
    SELECT image_id, number_of_file(min(position), file) AS file_id, min(position) AS position
    FROM staged
    WHERE image_id IS NOT NULL
    GROUP BY image_id, file
    HAVING bool_or(reason IS NULL AND class IS NOT NULL AND detection_id IS NULL) OR bool_and(reason IS NULL AND class IS NULL)
)
WINDOW images AS (PARTITION BY image_id ORDER BY position);

CREATE OR REPLACE TEMP TABLE box_known AS
SELECT rowid AS row_key, *, hash(class, score, raw_score, calibrator, version, x1, y1, x2, y2, normalised, cuts) AS content,
       regexp_matches(detection, '#[0-9]+$') AND regexp_replace(detection, '#[0-9]+$', '') = class AS is_ranked
FROM detections
WHERE model_id = $model_id
  AND image_id IN (SELECT image_id FROM box_every UNION ALL SELECT image_id FROM box_turns);

-- what a file that was written anew no longer says itself is kept or taken out as `withdrawn` says, and what was kept so stays
-- as long as that file alone speaks of the image
CREATE OR REPLACE TEMP TABLE box_own AS
SELECT k.row_key, k.image_id, k.detection, k.version, k.file_id, k.content, t.is_last
FROM (FROM box_known WHERE is_ranked) AS k
JOIN (FROM box_turns WHERE turn = 1) AS t USING (image_id)
ANTI JOIN (FROM box_every WHERE detection_id IS NULL) AS e
    ON e.image_id = k.image_id AND e.detection = k.detection AND e.file_id = t.file_id
WHERE (k.file_id = t.file_id AND list_contains($reread, k.file_id))
   OR (k.file_id IS NULL
       AND (k.image_id, t.file_id) IN (SELECT (image_id, file_id) FROM box_known WHERE is_ranked AND file_id IS NOT NULL));

CREATE OR REPLACE TEMP TABLE box_stale AS
SELECT k.row_key, k.image_id
FROM (FROM box_known WHERE is_ranked) AS k
JOIN (FROM box_turns WHERE is_last) AS t USING (image_id)
ANTI JOIN (FROM box_every WHERE detection_id IS NULL) AS e
    ON e.image_id = k.image_id AND e.detection = k.detection AND e.file_id = t.file_id
ANTI JOIN (FROM box_own WHERE is_last) AS w ON w.row_key = k.row_key;

CREATE OR REPLACE TEMP TABLE box_changed AS
SELECT n.* EXCLUDE (detection_id), o.row_key
FROM (
    FROM box_every AS e
    ANTI JOIN (FROM box_turns WHERE NOT is_last) AS t
        ON t.image_id = e.image_id AND t.file_id = e.file_id AND e.detection_id IS NULL
    QUALIFY row_number() OVER (PARTITION BY image_id, detection ORDER BY position DESC) = 1
) AS n
LEFT JOIN box_known AS o USING (image_id, detection)
WHERE o.row_key IS NULL OR n.class <> o.class OR n.score <> o.score OR n.raw_score IS DISTINCT FROM o.raw_score
   OR n.calibrator IS DISTINCT FROM o.calibrator OR n.version IS DISTINCT FROM o.version OR n.x1 <> o.x1 OR n.y1 <> o.y1
   OR n.x2 <> o.x2 OR n.y2 <> o.y2 OR n.normalised <> o.normalised OR n.cuts IS DISTINCT FROM o.cuts OR o.file_id IS NULL;

-- what each file says of each detection, and what was said of it before, as if files came one after the other; of one that is
-- no longer there `content` is NULL
CREATE OR REPLACE TEMP TABLE box_words AS
WITH said AS (
    SELECT *, hash(class, score, raw_score, calibrator, version, x1, y1, x2, y2, normalised, cuts) AS content FROM box_every
),
ranked AS (
    SELECT s.image_id, s.detection, t.turn, t.is_last, s.file_id, s.version, s.content
    FROM said AS s JOIN box_turns AS t USING (image_id, file_id)
    WHERE s.detection_id IS NULL
),
before AS (
    SELECT k.image_id, k.detection, 1 AS turn, k.file_id, k.version, k.content
    FROM box_known AS k
    SEMI JOIN box_turns AS t ON t.image_id = k.image_id
    ANTI JOIN box_own AS w ON w.row_key = k.row_key
    WHERE k.is_ranked
    UNION ALL
    SELECT image_id, detection, turn + 1, file_id, version, content FROM ranked WHERE NOT is_last
    UNION ALL
    SELECT image_id, detection, 2, file_id, version, content FROM box_own WHERE NOT is_last
)
SELECT t.file_id, image_id, turn, true AS is_ranked, b.file_id AS before_by, b.version AS before_version, b.content AS before,
       r.version, r.content
FROM ranked AS r
FULL JOIN before AS b USING (image_id, detection, turn)
JOIN box_turns AS t USING (image_id, turn)
UNION ALL
SELECT s.file_id, s.image_id, 0, false, coalesce(lag(s.file_id) OVER turns, k.file_id),
       CASE WHEN lag(s.file_id) OVER turns IS NULL THEN k.version ELSE lag(s.version) OVER turns END,
       coalesce(lag(s.content) OVER turns, k.content), s.version, s.content
FROM said AS s
LEFT JOIN box_known AS k USING (image_id, detection)
WHERE s.detection_id IS NOT NULL
WINDOW turns AS (PARTITION BY image_id, detection ORDER BY s.position);

-- name: box_detection_counts
-- by file: detections that are new, known, changed, gone; of those changed whether another file had said them; and of how many
-- images what another file said gives way
SELECT n.file, count(*) FILTER (before IS NULL), count(*) FILTER (content = before), count(*) FILTER (content <> before),
       count(*) FILTER (content IS NULL),
       coalesce(bool_or(content <> before AND before_by <> w.file_id), false),
       count(DISTINCT image_id) FILTER (is_ranked AND content IS DISTINCT FROM before AND before IS NOT NULL
                                        AND before_by IS DISTINCT FROM w.file_id)
FROM box_words AS w
JOIN file_numbers AS n USING (file_id)
GROUP BY n.file
ORDER BY n.file;

-- name: box_versions_replaced
-- images whose detections of one version those of another, of another file, take the place of
SELECT count(DISTINCT image_id), min(image_id), arg_min([before_version, now], image_id)
FROM (
    SELECT image_id, before_version, coalesce(version, min(version) OVER turns) AS now,
           content IS NULL AND list_contains(list(version) OVER turns, before_version) AS is_there
    FROM box_words
    WHERE before_by IS DISTINCT FROM file_id
    WINDOW turns AS (PARTITION BY image_id, turn, is_ranked)
)
WHERE before_version <> now AND NOT is_there;

-- name: box_detections_replace
DELETE FROM detections
WHERE rowid IN (SELECT row_key FROM box_changed WHERE row_key IS NOT NULL UNION ALL SELECT row_key FROM box_stale);

-- the others of their image are of the same file: their rows say which of equal scores is the earlier
UPDATE detections SET file_id = n.file_id, row = CASE WHEN n.is_other THEN n.row ELSE detections.row END
FROM (
    SELECT k.row_key, e.file_id, e.row, e.image_id IN (SELECT image_id FROM box_changed UNION ALL SELECT image_id FROM box_stale)
               AS is_other
    FROM (FROM box_every WHERE detection_id IS NULL) AS e
    JOIN (FROM box_turns WHERE is_last) AS t USING (image_id, file_id)
    JOIN box_known AS k USING (image_id, detection)
    ANTI JOIN box_changed AS c ON c.row_key = k.row_key
    WHERE k.file_id <> e.file_id
) AS n
WHERE detections.rowid = n.row_key;

INSERT INTO detections
SELECT $model_id, image_id, detection, class, score, raw_score, calibrator, version, x1, y1, x2, y2, normalised, listed, cuts,
       file_id, row, $now, NULL, NULL
FROM box_changed
ORDER BY position;

INSERT INTO images_touched
SELECT $model_id, image_id FROM (SELECT image_id FROM box_changed UNION SELECT image_id FROM box_stale);

-- name: box_ids_mixed
-- of the images in `box_changed`, after it has replaced what it does: those with detections that have ids of their own and,
-- of another file, others that have none
SELECT count(*), min(image_id)
FROM (
    SELECT image_id
    FROM detections
    WHERE model_id = $model_id AND image_id IN (SELECT image_id FROM box_changed)
    GROUP BY image_id
    HAVING count(DISTINCT coalesce(file_id, 0)) > 1
       AND count(DISTINCT regexp_matches(detection, '#[0-9]+$') AND regexp_replace(detection, '#[0-9]+$', '') = class) > 1
);
