-- every alarm; of each stream only the newest is put into words when many come at once
CREATE OR REPLACE TABLE snap.evidence_alarms AS
SELECT a.* EXCLUDE (direction, explained),
       CASE WHEN NOT a.explained AND a.bucket < max(a.bucket) OVER stream
                 THEN 'not explained: a newer alarm of the stream is'
            WHEN NOT a.explained THEN 'not explained: its buckets were folded before it was the newest'
            WHEN a.direction = '' THEN 'no clear direction'
            ELSE a.direction END AS direction,
       l.labels
FROM evidence_alarms AS a
LEFT JOIN slice_labels AS l USING (slice)
WINDOW stream AS (PARTITION BY a.model, a.rule, a.version, a.calibrator, a.slice);
