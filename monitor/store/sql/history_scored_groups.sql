SELECT t.calibrator, g.score_bin, sum(g.squared_residual) AS squared_residual, sum(g.groups)::DOUBLE AS groups
FROM group_cells AS g
JOIN streams AS t ON t.stream_id = g.stream_id
WHERE t.version = $version AND g.model_id = (SELECT model_id FROM models WHERE name = $model) AND g.slice = $slice
  AND g.bucket >= $since AND g.bucket < $until
GROUP BY t.calibrator, g.score_bin
ORDER BY t.calibrator, g.score_bin;
