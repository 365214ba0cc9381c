-- alarms: how many a stream has raised since it was opened
CREATE OR REPLACE TABLE snap.evidence_streams AS
SELECT s.* EXCLUDE (state, reference, told), s.reference IS NOT NULL AS from_deployment,
       (SELECT count(*) FROM evidence_alarms AS a
        WHERE a.model = s.model AND a.rule = s.rule AND a.version = s.version AND a.calibrator = s.calibrator
          AND a.slice = s.slice AND a.bucket >= s.opened AND (s.closed IS NULL OR a.bucket < s.closed)) AS alarms,
       l.labels
FROM evidence_streams AS s
LEFT JOIN slice_labels AS l USING (slice);
