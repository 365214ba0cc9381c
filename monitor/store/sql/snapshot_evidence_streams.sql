CREATE OR REPLACE TABLE snap.evidence_streams AS
SELECT s.* EXCLUDE (state), l.labels FROM evidence_streams AS s LEFT JOIN slice_labels AS l USING (slice);
