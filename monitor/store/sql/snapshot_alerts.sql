CREATE OR REPLACE TABLE snap.alerts AS
SELECT a.*, l.labels FROM alerts AS a LEFT JOIN slice_labels AS l USING (slice);
