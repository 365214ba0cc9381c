-- the newest rows; the counters have them all
CREATE OR REPLACE TABLE snap.quarantine AS
FROM quarantine ORDER BY quarantined_at DESC, file, row LIMIT 10000;
