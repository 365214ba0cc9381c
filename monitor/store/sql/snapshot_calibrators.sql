CREATE OR REPLACE TABLE snap.calibrators AS
SELECT c.*,
       (SELECT max(since) FROM serving AS s WHERE s.calibrator = c.id AND s.model = c.model) AS promoted_at,
       EXISTS (FROM serving AS s WHERE s.calibrator = c.id AND s.model = c.model AND s.until IS NULL) AS serving
FROM calibrators AS c;
