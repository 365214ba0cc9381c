-- sums of groups under the texts that slices have now
CREATE OR REPLACE TEMP TABLE renewed_groups AS
SELECT g.model_id, g.stream_id, coalesce(r.new, g.slice) AS slice, g.bucket, g.score_bin, sum(g.squared_residual) AS squared,
       sum(g.groups)::BIGINT AS groups
FROM group_cells AS g
LEFT JOIN renamed_slices AS r ON r.old = g.slice
WHERE g.model_id = $model_id
GROUP BY ALL;

DELETE FROM group_cells WHERE model_id = $model_id;

INSERT INTO group_cells SELECT model_id, stream_id, slice, bucket, score_bin, squared, groups FROM renewed_groups;
