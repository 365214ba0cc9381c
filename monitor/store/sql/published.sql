-- The newest state, as metrics.duckdb has it.

-- name: published_reading
SELECT version, "window", samples, window_end, ece_debiased, ece_lower, ece_upper, calibration_gap
FROM slice_newest
WHERE model = $model AND slice = $slice AND ($version = '' OR version = $version) AND state = 'ok'
ORDER BY window_end - window_start DESC, samples DESC
LIMIT 1;

-- name: published_bars
SELECT low, high, samples, mean_score, outcome_rate, rate_lower, rate_upper
FROM reliability
WHERE model = $model AND slice = $slice AND version = $version AND "window" = $window
ORDER BY bin;

-- name: published_deeds
SELECT id, kind, state, scope, coalesce(finished_at, requested_at) AS at
FROM jobs
WHERE model = $model AND kind IN ('recalibrate', 'rollback') AND requested_at >= $since
ORDER BY requested_at, id
LIMIT 200;

-- name: published_unsure
SELECT rule, version, slice, health, reason
FROM alerts
WHERE model = $model AND (health = 'error' OR (health = 'unknown' AND state <> 'inactive'))
ORDER BY rule, slice;

-- name: published_bars_until
SELECT b.low, b.high, b.samples, b.mean_score, b.outcome_rate, b.rate_lower, b.rate_upper
FROM reliability AS b
JOIN slice_newest AS r USING (model, version, slice, "window")
WHERE b.model = $model AND b.slice = $slice AND b.version = $version AND b."window" = $window AND r.window_end = $window_end
ORDER BY b.bin;

-- name: published_window
SELECT "window"
FROM slice_newest
WHERE model = $model AND slice = 'all'
ORDER BY window_end - window_start DESC
LIMIT 1;

-- name: published_models
SELECT r.model, r.version, r."window", r.state, r.samples, r.label_coverage, r.ece, r.ece_debiased, r.ece_lower,
    r.ece_upper, r.calibration_gap, r.window_end,
    (SELECT count(*) FROM alerts AS a WHERE a.model = r.model AND a.state = 'firing') AS firing,
    (SELECT count(*) FROM alerts AS a WHERE a.model = r.model AND a.state = 'pending') AS pending,
    (SELECT count(*) FROM alerts AS a WHERE a.model = r.model AND a.health <> 'ok') AS unknown
FROM slice_newest AS r
WHERE r.slice = 'all'
QUALIFY row_number() OVER (PARTITION BY r.model ORDER BY r.window_end - r.window_start DESC, r.samples DESC) = 1
ORDER BY r.model;

-- name: published_slices
SELECT model, version, slice, "window", state, samples, label_coverage, ece, ece_debiased, ece_lower, ece_upper,
    ece_null_quantile, calibration_gap, brier_score, auroc, window_end
FROM slice_newest
WHERE ($model IS NULL OR model = $model) AND ($window IS NULL OR "window" = $window)
ORDER BY state = 'ok' DESC, ece_lower DESC NULLS LAST, ece_debiased DESC NULLS LAST, slice
LIMIT $limit;

-- name: published_jobs
SELECT id, model, kind, trigger, scope, state, requested_at, finished_at, onset, attempts, next_attempt_at, reasons, details
FROM jobs
WHERE $model IS NULL OR model = $model
ORDER BY requested_at DESC, id
LIMIT $limit;

-- name: published_calibrators
SELECT model, scope, id, method, fitted_at, promoted_at
FROM calibrators
WHERE serving AND ($model IS NULL OR model = $model)
ORDER BY model, scope;

-- name: published_thresholds
SELECT model, scope, policy, threshold, kept, confidence, best
FROM thresholds
WHERE serving AND class_name = ''
ORDER BY ALL;

-- name: published_troubles
WITH newest AS (FROM pulls QUALIFY row_number() OVER (PARTITION BY model, source ORDER BY pulled_at DESC) = 1)
SELECT model, source, problem, pulled_at AS noted_at
FROM newest
WHERE problem IS NOT NULL
UNION ALL
SELECT n.model, n.source, n.message, n.noted_at
FROM source_notes AS n
LEFT JOIN newest AS p USING (model, source)
WHERE NOT coalesce(contains(p.problem, n.message), false)
ORDER BY ALL;

-- name: published_reading_at
SELECT *
FROM slice_metrics
WHERE model = $model AND slice = $slice AND "window" = $window AND window_end <= $moment
ORDER BY window_end DESC
LIMIT 1;
