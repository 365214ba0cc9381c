-- who was put in charge of what, and why; '' = nobody any more
SELECT s.since AS "at", s.scope, s.calibrator, s.cause, coalesce(c.method, '') AS method
FROM serving AS s
LEFT JOIN calibrators AS c ON c.id = s.calibrator AND c.model = s.model
WHERE s.model = $model AND s.since > $since AND s.since <= $until
ORDER BY s.since DESC
LIMIT $limit;
