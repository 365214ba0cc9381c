-- The newest state, as metrics.duckdb has it.

-- name: published_unsure
-- a slice that lacks its reference counts where its rule has judged nothing of the version since: rare ones may lack it for months
SELECT rule, version, slice, health, reason
FROM alerts AS a
WHERE model = $model AND (health = 'error' OR (health = 'unknown' AND (
    state <> 'inactive' OR code IN ('only_unseen', 'recall_unknown') OR (code = 'drift_not_judged' AND NOT EXISTS (
        SELECT 1 FROM evidence AS e
        WHERE e.model = a.model AND e.rule = a.rule AND e.version = a.version AND e.bucket >= a.since)))))
ORDER BY rule, slice;

-- name: published_window
SELECT "window"
FROM slice_newest
WHERE model = $model AND slice = 'all'
ORDER BY window_end - window_start DESC
LIMIT 1;

-- name: published_last_seen
SELECT model, observed_at FROM last_seen WHERE observed_at IS NOT NULL;

-- name: published_seen
SELECT slice FROM slice_newest WHERE model = $model
UNION
SELECT slice FROM slice_history WHERE model = $model;

-- name: published_models
SELECT r.model, r.version, r."window", r.state, r.samples, r.groups, r.group_noun, r.label_coverage, r.ece, r.ece_debiased, r.ece_lower,
    r.ece_upper, r.calibration_gap, r.truths, r.threshold_precision, r.threshold_recall, r.fp_per_image, r.window_end,
    (SELECT count(*) FROM alerts AS a WHERE a.model = r.model AND a.state = 'firing') AS firing,
    (SELECT count(*) FROM alerts AS a WHERE a.model = r.model AND a.state = 'pending') AS pending,
    (SELECT count(*) FROM alerts AS a WHERE a.model = r.model AND a.health <> 'ok') AS unknown
FROM slice_newest AS r
WHERE r.slice = 'all'
QUALIFY row_number() OVER (PARTITION BY r.model ORDER BY r.window_end - r.window_start DESC, r.samples DESC) = 1
ORDER BY r.model;

-- name: published_versions
SELECT DISTINCT model, version FROM slice_newest ORDER BY ALL;

-- name: published_slices
-- `versions`: how many of its model there are among all that is asked for
SELECT model, version, slice, "window", state, samples, groups, group_noun, label_coverage, ece, ece_debiased, ece_lower,
    ece_upper, ece_null_quantile, calibration_gap, brier_score, auroc, truths, threshold_precision, threshold_recall, fp_per_image, window_end,
    count(DISTINCT version) OVER (PARTITION BY model) AS versions
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
SELECT model, scope, policy, threshold, kept, confidence, best, reason
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

-- name: reading_columns
slice, version, "window", state, samples, unlabelled, label_coverage, label_lag_seconds, ece, ece_debiased, ece_lower,
       ece_upper, ece_null_quantile, calibration_gap, gap_lower, gap_upper, brier_score, log_loss, auroc, window_start, window_end, iou, groups, group_noun;

-- name: published_reading
-- of the longest window in which the slice has enough samples
SELECT /*reading_columns*/
FROM slice_newest
WHERE model = $model AND slice = $slice AND ($version = '' OR version = $version) AND state = 'ok'
ORDER BY window_end - window_start DESC, samples DESC
LIMIT 1;

-- name: published_reading_at
SELECT /*reading_columns*/
FROM slice_metrics
WHERE model = $model AND slice = $slice AND "window" = $window AND window_end <= $moment
ORDER BY window_end DESC
LIMIT 1;

-- name: published_bars
-- bars of the newest readings; of one whose window ended earlier there are none
SELECT b.low, b.high, b.samples, b.mean_score, b.outcome_rate, b.rate_lower, b.rate_upper
FROM reliability AS b
JOIN slice_newest AS r USING (model, version, slice, "window")
WHERE b.model = $model AND b.slice = $slice AND b.version = $version AND b."window" = $window AND r.window_end = $window_end
ORDER BY b.bin;

-- name: published_deeds
SELECT /*job_columns*/
FROM jobs
WHERE model = $model AND kind IN ('recalibrate', 'tune', 'rollback') AND requested_at >= $since
ORDER BY requested_at, id
LIMIT 200;

-- name: published_at
SELECT published_at, played FROM snapshot;

-- name: published_firing
SELECT * EXCLUDE (labels) FROM drift_now;

-- name: published_unknown
SELECT model, version, slice, rule, reason, code
FROM alerts
WHERE health <> 'ok' AND (state <> 'inactive' OR code IN ('only_unseen', 'recall_unknown', 'drift_not_judged'))
ORDER BY ALL;

-- name: published_job
SELECT * FROM jobs WHERE id = $id;

-- name: published_objects
-- slices of a detector with objects, over a window: those of which least is found first
SELECT slice, version, iou, truths, labelled_images, threshold_precision, threshold_precision_lower, threshold_precision_upper,
    threshold_recall, threshold_recall_lower, threshold_recall_upper, threshold_f1, recall_ceiling, fp_per_image,
    ece_above_threshold, laece, average_precision, average_precision_50
FROM slice_newest
WHERE model = $model AND "window" = $window AND truths > 0
ORDER BY slice = 'all' DESC, threshold_recall NULLS LAST, recall_ceiling, truths DESC, slice
LIMIT $limit;

-- name: published_thresholds_chosen
SELECT * FROM thresholds WHERE model = $model AND serving ORDER BY class_name, scope;

-- name: published_failing
SELECT model, since, problem FROM problems ORDER BY model;

-- name: published_label_delays
SELECT * FROM label_delays ORDER BY model;

-- name: published_waiting_labels
SELECT * FROM waiting_labels ORDER BY model, source;

-- name: published_files_set_aside
SELECT * FROM files_set_aside ORDER BY model, source, item;

-- name: published_group_spans
SELECT * FROM group_spans ORDER BY model;

-- name: published_folded
SELECT * FROM folded_values ORDER BY model, kind, name;

-- name: published_quarantined
SELECT model, source, reason, rows, newest_at FROM quarantine_counts ORDER BY ALL;

-- name: published_model_names
SELECT DISTINCT model FROM slice_newest ORDER BY model;

-- name: published_window_names
SELECT DISTINCT "window" FROM slice_newest ORDER BY "window";

-- name: published_firings
-- each time an alert fired in the period (or before it and was not over when it began), with its end
WITH told AS (
    SELECT *, lead(changed_at) OVER again AS ended_at, lead(state) OVER again AS then_state
    FROM alert_events
    WHERE model = $model AND state IN ('firing', 'resolved') AND changed_at <= $until
    WINDOW again AS (PARTITION BY version, rule, slice ORDER BY changed_at)
)
SELECT changed_at AS fired_at, CASE WHEN then_state = 'resolved' THEN ended_at END AS resolved_at,
       rule, severity, slice, version, onset, reason
FROM told
WHERE state = 'firing' AND (changed_at > $since OR coalesce(ended_at, $until) > $since)
ORDER BY changed_at DESC, rule, slice;

-- name: published_readings
-- the last reading of each slice in the period, of the version with most samples there; the worst first
SELECT /*reading_columns*/
FROM slice_metrics
WHERE model = $model AND "window" = $window AND window_end > $since AND window_end <= $until
QUALIFY row_number() OVER (PARTITION BY slice ORDER BY window_end DESC, samples DESC, newest DESC) = 1
ORDER BY state = 'ok' DESC, ece_lower DESC NULLS LAST, ece_debiased DESC NULLS LAST, slice;
