CREATE OR REPLACE TABLE snap.evidence_alarms AS
SELECT a.*, l.labels FROM evidence_alarms AS a LEFT JOIN slice_labels AS l USING (slice);
