-- What `calwatch check` asks of boxes that are tried, and numbers of classes beside their names.

-- name: tried_images
CREATE TEMP TABLE IF NOT EXISTS images (
    model_id USMALLINT, image_id VARCHAR, said_by UTINYINT, width DOUBLE, height DOUBLE);

-- name: tried_images_insert
INSERT INTO images
SELECT DISTINCT 0, image_id, $said_by, width, height
FROM staged
WHERE width IS NOT NULL AND height IS NOT NULL AND image_id IS NOT NULL;

-- name: tried_box_reasons
SELECT reason, count(*), arg_min(row, position), arg_min(file, position), arg_min(record, position)
FROM staged
WHERE NOT list_contains($refused, file)
GROUP BY reason;

-- name: tried_times
-- of one image a file says one time, and no other file says another
UPDATE staged SET reason = 'conflicting_time'
FROM (
    SELECT image_id, file
    FROM (
        SELECT image_id, file, min(observed_at) AS one, max(observed_at) AS other, min(position) AS place
        FROM staged
        WHERE reason IS NULL AND observed_at IS NOT NULL
        GROUP BY image_id, file
    )
    QUALIFY one <> other OR one <> first_value(one) OVER (PARTITION BY image_id ORDER BY place)
) AS c
WHERE staged.image_id = c.image_id AND staged.file = c.file AND staged.reason IS NULL;

-- name: tried_ages
SELECT count(*) FILTER (observed_at < $oldest), count(*) FILTER (observed_at > $latest)
FROM staged
WHERE reason IS NULL AND NOT list_contains($refused, file);

-- name: class_names
CREATE OR REPLACE TEMP TABLE class_names AS
SELECT unnest(map_keys(held)) AS number, unnest(map_values(held)) AS name
FROM (SELECT $names::MAP(VARCHAR, VARCHAR) AS held);
