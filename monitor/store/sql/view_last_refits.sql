-- what the gate decided, newest first
CREATE OR REPLACE VIEW snap.last_refits AS
SELECT j.model, j.scope, j.trigger, j.state, j.finished_at, j.onset, j.reasons, c.id AS calibrator, c.method,
       (c.before ->> 'ece')::DOUBLE AS ece_before, (c.after ->> 'ece')::DOUBLE AS ece_after,
       (c.before ->> 'log_loss')::DOUBLE AS log_loss_before, (c.after ->> 'log_loss')::DOUBLE AS log_loss_after
FROM jobs AS j
LEFT JOIN calibrators AS c ON c.id = j.details ->> 'calibrator'
WHERE j.kind = 'recalibrate' AND j.finished_at IS NOT NULL
ORDER BY j.finished_at DESC;
