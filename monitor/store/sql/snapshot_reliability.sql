CREATE OR REPLACE TABLE snap.reliability AS
SELECT r.*, l.labels FROM reliability AS r LEFT JOIN slice_labels AS l USING (slice);
