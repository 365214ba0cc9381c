-- which alerts fire now, since when, how sure
CREATE OR REPLACE VIEW snap.drift_now AS
SELECT model, version, slice, rule, severity, health, fired_at, onset, value, reason, code, facts, labels
FROM alerts
WHERE state = 'firing'
ORDER BY fired_at;
