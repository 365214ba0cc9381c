-- Calibrators: recorded, in charge, under guard.

-- name: guard_changed_buckets
-- closed buckets whose labelled cells are not as they were when they were compared; folded ones are final
SELECT c.bucket, concat_ws(' ', sum(c.n), sum(c.outcome), round(sum(c.score), 6)) AS fingerprint
FROM cells AS c JOIN streams AS t USING (stream_id)
WHERE c.model_id = $model_id AND t.version = $version AND list_contains($covered, c.slice_id) AND c.n > 0
  AND c.bucket >= $first AND c.bucket < $end
  AND c.bucket >= (SELECT folded_until FROM models WHERE model_id = $model_id)
GROUP BY c.bucket
HAVING NOT EXISTS (
    FROM guard_buckets AS g WHERE g.model = $model AND g.calibrator = $calibrator AND g.since = $since
    AND g.bucket = c.bucket
    AND g.fingerprint = concat_ws(' ', sum(c.n), sum(c.outcome), round(sum(c.score), 6))
)
ORDER BY c.bucket;

-- name: guard_labelled_rows
SELECT floor(epoch(s.observed_at) / $seconds)::BIGINT AS bucket, count(*)
/*labelled_rows*/
GROUP BY ALL;

-- name: guard_insert
INSERT INTO guards
VALUES ($model, $scope, $calibrator, $parent, $version, $since, $until, 1, 0, 0, NULL, 0, 'watching');

-- name: guard_keep_buckets
UPDATE guard_buckets SET calibrator = $after
FROM guards AS g
WHERE g.model = $model AND g.scope = $scope AND g.calibrator = $before AND g.state = 'watching'
  AND guard_buckets.model = g.model AND guard_buckets.calibrator = g.calibrator AND guard_buckets.since = g.since;

-- name: guard_keep
UPDATE guards SET calibrator = $after
WHERE model = $model AND scope = $scope AND calibrator = $before AND state = 'watching';

-- name: calibrators_forms
SELECT id, parent, method, parameters FROM calibrators WHERE model = $model;

-- name: calibrators_alike
-- those that do to scores what a calibrator does: it, and what was tuned of it
SELECT c.id
FROM calibrators AS c
JOIN calibrators AS o ON o.model = c.model AND o.scope = c.scope AND o.method = c.method AND o.parameters = c.parameters
WHERE o.model = $model AND o.id = $id;

-- name: guard_buckets_delete
DELETE FROM guard_buckets
WHERE model = $model AND calibrator = $calibrator AND since = $since AND list_contains($buckets, bucket);

-- name: guard_buckets_insert
INSERT INTO guard_buckets
SELECT $model, $calibrator, $since, unnest($buckets::TIMESTAMP[]), unnest($marks::VARCHAR[]), unnest($factors::DOUBLE[][]),
       unnest($groups::BIGINT[]), unnest($samples::BIGINT[]), unnest($losses::DOUBLE[]), unnest($left_out::BIGINT[]);

-- name: guards_watching
SELECT scope, calibrator, parent, version, since, until, left_out > 0 AS was_blind
FROM guards
WHERE model = $model AND state = 'watching'
ORDER BY since, scope;

-- name: guard_buckets
SELECT log_factors, groups, samples, loss, left_out
FROM guard_buckets
WHERE model = $model AND calibrator = $calibrator AND since = $since
ORDER BY bucket;

-- name: calibrator_record
SELECT c.scope, c.method, c.parent, c.fitted_at, c.parameters, c.before, c.after, j.reasons, j.details
FROM calibrators AS c
JOIN jobs AS j ON j.model = c.model AND j.details ->> 'calibrator' = c.id
WHERE c.model = $model AND c.id = $id AND j.kind = 'recalibrate'
LIMIT 1;

-- name: calibrators_serving
SELECT id, method, parameters, fitted_at
FROM calibrators
WHERE model = $model AND id IN (SELECT calibrator FROM serving WHERE model = $model);

-- name: calibrators_in_use
SELECT s.scope, c.id, c.method, c.fitted_at, s.since
FROM serving AS s
JOIN calibrators AS c ON c.id = s.calibrator AND c.model = s.model
WHERE s.model = $model AND s.until IS NULL
ORDER BY s.scope;

-- name: calibrators_seen
SELECT l.labels, t.calibrator, u.newest
FROM (
    SELECT stream_id, slice_id, max(observed_at) AS newest
    FROM samples
    WHERE model_id = $model_id AND observed_at > $since
    GROUP BY stream_id, slice_id
) AS u
JOIN streams AS t USING (stream_id)
JOIN slices AS l USING (slice_id);

-- name: calibrators_before
SELECT calibrator, cause
FROM serving
WHERE model = $model AND scope = $scope
ORDER BY since, until NULLS LAST, rowid;
