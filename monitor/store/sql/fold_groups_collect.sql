CREATE OR REPLACE TEMP TABLE folded_groups AS
SELECT model_id, stream_id, slice, date_trunc('day', bucket)::TIMESTAMP AS bucket, score_bin, sum(squared_residual), sum(groups)
FROM group_cells
WHERE model_id = $model_id AND bucket >= $since AND bucket < $until
GROUP BY model_id, stream_id, slice, date_trunc('day', bucket), score_bin;
