CREATE OR REPLACE TABLE snap.disparities AS
SELECT d.*, l.labels FROM disparities AS d LEFT JOIN slice_labels AS l USING (slice);
