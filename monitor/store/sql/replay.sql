-- The past of a detector: when what is known of an image is seen.

-- name: replay_image_times
SELECT /*image*/ AS image_id, /*said_by*/ AS said_by, /*observed_at*/ AS observed_at FROM /*table*/

-- name: replay_images
-- when each image was taken, by whom is believed most, as of life
CREATE OR REPLACE TEMP TABLE replayed_images AS
SELECT image_id, arg_min(observed_at, said_by) AS observed_at
FROM (/*said*/)
WHERE image_id IS NOT NULL AND isfinite(observed_at)
GROUP BY image_id;

-- name: replay_arrivals
-- all that a file says of an image is seen at once, with the last of it
UPDATE /*table*/ SET _arrival = a.arrival
FROM (
    SELECT t.number, coalesce(max(coalesce(t.seen, i.observed_at)) OVER (PARTITION BY t.file, t.image_id), /*first*/) AS arrival
    FROM (SELECT rowid AS number, _file AS file, /*image*/ AS image_id, /*seen*/ AS seen FROM /*table*/) AS t
    LEFT JOIN replayed_images AS i USING (image_id)
    WHERE t.image_id IS NOT NULL
) AS a
WHERE rowid = a.number;
