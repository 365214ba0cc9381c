CREATE OR REPLACE TABLE snap.thresholds AS
SELECT t.*,
       EXISTS (
           FROM thresholds_in_force AS f
           WHERE (f.model, f.scope, f.calibrator, f.per, f.class_name) = (t.model, t.scope, t.calibrator, t.per, t.class_name)
       ) AS serving
FROM thresholds AS t;
