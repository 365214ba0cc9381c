SELECT t.version, g.slice, g.score_bin, sum(g.squared_residual) AS squared_residual, sum(g.groups)::DOUBLE AS groups
FROM group_cells AS g
JOIN streams AS t ON t.stream_id = g.stream_id
WHERE g.model_id = $model_id AND g.bucket >= $start AND g.bucket < $end
GROUP BY t.version, g.slice, g.score_bin
ORDER BY t.version, g.slice, g.score_bin;
