-- of thresholds whose calibrator is in charge; the others rest in the daemon's own database
CREATE OR REPLACE TABLE snap.threshold_curves AS
SELECT c.*
FROM threshold_curves AS c
SEMI JOIN serving AS s
    ON s.model = c.model AND s.scope = c.scope AND s.calibrator = c.calibrator AND s.until IS NULL;
