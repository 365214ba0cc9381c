SELECT scope, calibrator, parent, since, until, evidence, groups, samples, loss, state
FROM guards
WHERE model = $model
ORDER BY since DESC
LIMIT 50;
