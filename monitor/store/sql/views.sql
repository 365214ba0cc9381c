-- Views of metrics.duckdb for whoever opens it.

-- name: view_drift_now
-- which alerts fire now, since when, how sure
CREATE OR REPLACE VIEW snap.drift_now AS
SELECT model, version, slice, rule, severity, health, fired_at, onset, value, reason, code, facts,
       labels
FROM alerts
WHERE state = 'firing'
ORDER BY fired_at;

-- name: view_last_refits
-- what the gate decided, newest first
CREATE OR REPLACE VIEW snap.last_refits AS
SELECT j.model, j.scope, j.trigger, j.trigger_kind, j.trigger_name, j.state, j.finished_at, j.onset, j.reasons, j.codes,
       j.facts, c.id AS calibrator, c.method,
       (c.before ->> 'ece')::DOUBLE AS ece_before, (c.after ->> 'ece')::DOUBLE AS ece_after,
       (c.before ->> 'log_loss')::DOUBLE AS log_loss_before, (c.after ->> 'log_loss')::DOUBLE AS log_loss_after
FROM jobs AS j
LEFT JOIN calibrators AS c ON c.id = j.details ->> 'calibrator'
WHERE j.kind = 'recalibrate' AND j.finished_at IS NOT NULL
ORDER BY j.finished_at DESC;

-- name: view_slice_metrics
-- every reading: one per bucket, and the newest of each slice and window
CREATE OR REPLACE VIEW snap.slice_metrics AS
SELECT r.*, l.labels
FROM (
    SELECT * EXCLUDE (sequence), false AS newest FROM slice_history
    UNION ALL BY NAME
    SELECT *, true AS newest FROM slice_newest
) AS r
LEFT JOIN slice_labels AS l USING (slice);

-- name: view_worst_slices
-- which slices are surely miscalibrated now: those whose interval keeps away from zero furthest
CREATE OR REPLACE VIEW snap.worst_slices AS
SELECT r.model, r.version, r.slice, r."window", r.samples, r.groups, r.ece, r.ece_debiased, r.ece_lower, r.ece_upper,
       r.calibration_gap, r.window_end, l.labels
FROM slice_newest AS r
LEFT JOIN slice_labels AS l USING (slice)
WHERE r.state = 'ok'
ORDER BY r.ece_lower DESC, r.ece_debiased DESC;
