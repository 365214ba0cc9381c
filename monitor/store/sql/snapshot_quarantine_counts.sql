CREATE OR REPLACE TABLE snap.quarantine_counts AS
SELECT model, source, reason, count(*) AS rows, max(quarantined_at) AS newest_at
FROM quarantine
GROUP BY model, source, reason;
