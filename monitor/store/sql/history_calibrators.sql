-- every calibrator that was ever put in charge, the newest first
SELECT c.model, c.scope, c.id AS calibrator, c.method, c.fitted_at, min(s.since) AS promoted_at,
       bool_or(s.until IS NULL) AS in_charge, count(*) OVER () AS total
FROM calibrators AS c
JOIN serving AS s ON s.calibrator = c.id AND s.model = c.model
WHERE $model IS NULL OR c.model = $model
GROUP BY c.model, c.scope, c.id, c.method, c.fitted_at
ORDER BY c.fitted_at DESC, c.model, c.scope, c.id
LIMIT $limit OFFSET $skip;
