CREATE OR REPLACE TABLE snap.evidence_streams AS
SELECT s.* EXCLUDE (state, reference), s.reference IS NOT NULL AS from_deployment, l.labels FROM evidence_streams AS s LEFT JOIN slice_labels AS l USING (slice);
