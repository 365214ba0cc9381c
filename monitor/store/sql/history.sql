-- The past: courses for charts, events, jobs, pulls. Of live.duckdb and of metrics.duckdb alike.

-- name: history_alert_events
SELECT changed_at AS "at", rule, version, slice, severity, state, reason, onset
FROM alert_events
WHERE model = $model AND ($slice IS NULL OR slice = $slice) AND changed_at > $since AND changed_at <= $until
ORDER BY changed_at DESC, rule
LIMIT $limit;

-- name: history_attempts
SELECT attempt, started_at, finished_at, seconds, peak_memory, outcome, message, output
FROM job_log
WHERE job = $id
ORDER BY started_at, attempt
LIMIT 200;

-- name: history_calibrators
-- every calibrator that was ever put in charge, the newest first
SELECT c.model, c.scope, c.id AS calibrator, c.method, c.fitted_at, min(s.since) AS promoted_at,
       bool_or(s.until IS NULL) AS in_charge, count(*) OVER () AS total
FROM calibrators AS c
JOIN serving AS s ON s.calibrator = c.id AND s.model = c.model
WHERE $model IS NULL OR c.model = $model
GROUP BY c.model, c.scope, c.id, c.method, c.fitted_at
ORDER BY c.fitted_at DESC, c.model, c.scope, c.id
LIMIT $limit OFFSET $skip;

-- name: history_disparities
SELECT model, rule, version, slice, "window", window_start, window_end, measure, samples, rest_samples, needed_samples, slices, own, rest, difference, lower,
       lower_alone, p_value, groups, group_noun
FROM disparities
WHERE model = $model
ORDER BY lower DESC NULLS LAST, difference DESC NULLS LAST, slice, rule
LIMIT $limit;

-- name: history_evidence
-- of each equal span of time, the highest ratio of each stream
SELECT rule, version, calibrator, max(bucket) AS "at", sum(samples)::BIGINT AS samples, max(ratio) AS ratio
FROM evidence
WHERE model = $model AND slice = $slice AND bucket > $since AND bucket <= $until
GROUP BY rule, version, calibrator, ceil((epoch(bucket) - epoch($until::TIMESTAMP)) / $span)
ORDER BY max(bucket), rule, version, calibrator
LIMIT 4000;

-- name: history_extent
-- when the readings of one slice and window begin and end
SELECT min(window_end) AS first, max(window_end) AS last
FROM (FROM /*history*/ UNION ALL BY NAME FROM /*newest*/)
WHERE model = $model AND slice = $slice AND "window" = $window;

-- name: history_guards
SELECT scope, calibrator, parent, since, until, evidence, groups, samples, loss, state
FROM guards
WHERE model = $model
ORDER BY since DESC
LIMIT 50;

-- name: job_columns
id, model, kind, trigger, scope, requested_at, state, onset, started_at, finished_at, reasons, details, attempts,
       next_attempt_at, codes, facts, trigger_kind, trigger_name, trigger_at, trigger_event;

-- name: history_jobs
SELECT /*job_columns*/, count(*) OVER () AS total
FROM jobs
WHERE ($model IS NULL OR model = $model) AND ($kind IS NULL OR kind = $kind) AND ($state IS NULL OR state = $state)
  AND ($id IS NULL OR id = $id)
ORDER BY requested_at DESC, id
LIMIT $limit OFFSET $skip;

-- name: history_notes
-- what pulls told once since $since, the newest first
SELECT model, source, noted_at, message
FROM source_notes
WHERE noted_at > $since AND ($model IS NULL OR model = $model)
ORDER BY noted_at DESC, model, source, message
LIMIT $limit;

-- name: history_pulls
SELECT model, source, pulled_at, files, rows, new, labelled, duplicates, corrected, quarantined, problem
FROM pulls
WHERE pulled_at > $since AND ($model IS NULL OR model = $model)
ORDER BY pulled_at DESC, model, source
LIMIT $limit OFFSET $skip;

-- name: history_pulls_total
SELECT count(*) AS total
FROM pulls
WHERE pulled_at > $since AND ($model IS NULL OR model = $model);

-- name: history_quarantine_counts
SELECT model, source, reason, count(*) AS rows, max(quarantined_at) AS newest_at
FROM quarantine
WHERE $model IS NULL OR model = $model
GROUP BY model, source, reason
ORDER BY newest_at DESC, model, source, reason
LIMIT $limit;

-- name: history_quarantined
SELECT model, source, file, row, reason, record, quarantined_at
FROM quarantine
WHERE model = $model AND ($source IS NULL OR source = $source) AND ($reason IS NULL OR reason = $reason)
ORDER BY quarantined_at DESC, file, row
LIMIT $limit OFFSET $skip;

-- name: history_quarantined_total
SELECT count(*) AS total
FROM quarantine
WHERE model = $model AND ($source IS NULL OR source = $source) AND ($reason IS NULL OR reason = $reason);

-- name: history_readings
-- of each equal span of time, the last reading of each version
SELECT window_end AS "at", version, state, samples, ece, ece_debiased, ece_lower, ece_upper, ece_null_quantile,
       calibration_gap
FROM (FROM /*history*/ UNION ALL BY NAME FROM /*newest*/)
WHERE model = $model AND slice = $slice AND "window" = $window AND window_end > $since AND window_end <= $until
QUALIFY row_number() OVER (
    PARTITION BY version, ceil((epoch(window_end) - epoch($until::TIMESTAMP)) / $span)
    ORDER BY window_end DESC, computed_at DESC
) = 1
ORDER BY window_end, version
LIMIT 2000;

-- name: history_scored_by
-- sums per score bin of a slice, apart by the calibrator that made the scores; only in the daemon's own database
WITH own AS (
    SELECT t.stream_id, t.calibrator FROM streams AS t JOIN models AS m USING (model_id)
    WHERE m.name = $model AND t.version = $version
),
inside AS (
    SELECT s.slice_id FROM slices AS s JOIN models AS m USING (model_id)
    WHERE m.name = $model AND len(list_filter($pairs::VARCHAR[][],
        lambda pair: coalesce(s.labels[pair[1]], $missing) <> pair[2])) = 0
)
SELECT own.calibrator, c.bin,
       /*cell_sums*/
FROM cells AS c
JOIN own ON own.stream_id = c.stream_id
SEMI JOIN inside ON inside.slice_id = c.slice_id
WHERE c.model_id = (SELECT model_id FROM models WHERE name = $model) AND c.bucket >= $since AND c.bucket < $until AND c.n > 0
GROUP BY own.calibrator, c.bin
ORDER BY own.calibrator, c.bin;

-- name: history_scored_groups
SELECT t.calibrator, g.score_bin, sum(g.squared_residual) AS squared_residual, sum(g.groups)::DOUBLE AS groups
FROM group_cells AS g
JOIN streams AS t ON t.stream_id = g.stream_id
WHERE t.version = $version AND g.model_id = (SELECT model_id FROM models WHERE name = $model) AND g.slice = $slice
  AND g.bucket >= $since AND g.bucket < $until AND NOT g.across
GROUP BY t.calibrator, g.score_bin
ORDER BY t.calibrator, g.score_bin;

-- name: history_serving
-- who was put in charge of what, and why; '' = nobody any more
SELECT s.since AS "at", s.scope, s.calibrator, s.cause, coalesce(c.method, '') AS method
FROM serving AS s
LEFT JOIN calibrators AS c ON c.id = s.calibrator AND c.model = s.model
WHERE s.model = $model AND s.since > $since AND s.since <= $until
ORDER BY s.since DESC
LIMIT $limit;

-- name: history_sources
-- each source: its newest pull, what is wrong with it now, and what it brought since $since
SELECT model, source, max(pulled_at) AS pulled_at, arg_max_null(problem, pulled_at) AS problem,
       sum(rows)::BIGINT AS rows, sum(new)::BIGINT AS new, sum(labelled)::BIGINT AS labelled,
       sum(duplicates)::BIGINT AS duplicates, sum(corrected)::BIGINT AS corrected, sum(quarantined)::BIGINT AS quarantined
FROM pulls
WHERE pulled_at > $since AND ($model IS NULL OR model = $model)
GROUP BY model, source
ORDER BY (arg_max_null(problem, pulled_at) IS NULL), model, source
LIMIT $limit;

-- name: history_threshold_curve
SELECT threshold, share, precision, precision_lower, precision_upper, recall, recall_lower, recall_upper, f1, cost,
       fp_per_group, nms_iou, fp_per_image
FROM threshold_curves
WHERE model = $model AND scope = $scope AND policy = $policy AND per = $per AND class_name = $class_name
  AND calibrator = $calibrator
ORDER BY nms_iou, threshold
LIMIT 1000;
