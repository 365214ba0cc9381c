-- of thresholds that decide now; the others rest in the daemon's own database
CREATE OR REPLACE TABLE snap.threshold_curves AS
FROM threshold_curves AS c
SEMI JOIN thresholds_in_force AS f
    ON (f.model, f.scope, f.calibrator, f.per, f.class_name) = (c.model, c.scope, c.calibrator, c.per, c.class_name);
