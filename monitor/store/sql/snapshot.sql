-- Tables of metrics.duckdb that are more than a copy; the attached file is called snap.

-- name: snapshot_alerts
CREATE OR REPLACE TABLE snap.alerts AS
SELECT a.*, l.labels FROM alerts AS a LEFT JOIN slice_labels AS l USING (slice);

-- name: snapshot_calibrators
CREATE OR REPLACE TABLE snap.calibrators AS
SELECT c.*,
       (SELECT max(since) FROM serving AS s WHERE s.calibrator = c.id AND s.model = c.model) AS promoted_at,
       EXISTS (FROM serving AS s WHERE s.calibrator = c.id AND s.model = c.model AND s.until IS NULL) AS serving
FROM calibrators AS c;

-- name: snapshot_disparities
CREATE OR REPLACE TABLE snap.disparities AS
SELECT d.*, l.labels FROM disparities AS d LEFT JOIN slice_labels AS l USING (slice);

-- name: snapshot_evidence_alarms
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

-- name: snapshot_evidence_streams
-- alarms: how many a stream has raised since it was opened
CREATE OR REPLACE TABLE snap.evidence_streams AS
SELECT s.* EXCLUDE (state, reference, told), s.reference IS NOT NULL AS from_deployment,
       (SELECT count(*) FROM evidence_alarms AS a
        WHERE a.model = s.model AND a.rule = s.rule AND a.version = s.version AND a.calibrator = s.calibrator
          AND a.slice = s.slice AND a.bucket >= s.opened AND (s.closed IS NULL OR a.bucket < s.closed)) AS alarms,
       l.labels
FROM evidence_streams AS s
LEFT JOIN slice_labels AS l USING (slice);

-- name: snapshot_files_set_aside
CREATE OR REPLACE TABLE snap.files_set_aside AS
SELECT model, source, item, tries, kind, reason, remedy, first_tried_at, last_tried_at
FROM files_set_aside WHERE set_aside;

-- name: snapshot_last_seen
CREATE OR REPLACE TABLE snap.last_seen AS
SELECT m.name AS model, max(s.last_observed_at) AS observed_at, max(s.last_labelled_at) AS labelled_at
FROM models AS m
LEFT JOIN slices AS s USING (model_id)
GROUP BY m.name;

-- name: snapshot_newest_readings
CREATE OR REPLACE TABLE snap.slice_newest AS
SELECT * EXCLUDE (sequence) FROM newest_readings;

-- name: snapshot_pulls
CREATE OR REPLACE TABLE snap.pulls AS
FROM pulls ORDER BY pulled_at DESC LIMIT 10000;

-- name: snapshot_quarantine
-- the newest rows; the counters have them all
CREATE OR REPLACE TABLE snap.quarantine AS
FROM quarantine ORDER BY quarantined_at DESC, file, row LIMIT 10000;

-- name: snapshot_quarantine_counts
CREATE OR REPLACE TABLE snap.quarantine_counts AS
SELECT model, source, reason, count(*) AS rows, max(quarantined_at) AS newest_at
FROM quarantine
GROUP BY model, source, reason;

-- name: snapshot_reliability
CREATE OR REPLACE TABLE snap.reliability AS
SELECT r.*, l.labels FROM reliability AS r LEFT JOIN slice_labels AS l USING (slice);

-- name: snapshot_threshold_curves
-- of thresholds that decide now; the others rest in the daemon's own database
CREATE OR REPLACE TABLE snap.threshold_curves AS
FROM threshold_curves AS c
SEMI JOIN thresholds_in_force AS f
    ON (f.model, f.scope, f.calibrator, f.per, f.class_name) = (c.model, c.scope, c.calibrator, c.per, c.class_name);

-- name: snapshot_thresholds
CREATE OR REPLACE TABLE snap.thresholds AS
SELECT t.*,
       EXISTS (
           FROM thresholds_in_force AS f
           WHERE (f.model, f.scope, f.calibrator, f.per, f.class_name) = (t.model, t.scope, t.calibrator, t.per, t.class_name)
       ) AS serving
FROM thresholds AS t;

-- name: snapshot_told_alarms
-- alarms as they were told; judging again does not take them back
CREATE OR REPLACE TABLE snap.told_alarms AS
SELECT a.* EXCLUDE (direction, explained, told_at),
       CASE WHEN NOT a.explained THEN 'not explained'
            WHEN a.direction = '' THEN 'no clear direction'
            ELSE a.direction END AS direction,
       a.told_at, l.labels
FROM told_alarms AS a
LEFT JOIN slice_labels AS l USING (slice);

-- name: played_until
SELECT coalesce((SELECT max(succeeded_at) FROM stages), (SELECT max(pulled_at) FROM pulls), min(applied_at))
FROM migrations;

-- name: snapshot_slice_history
INSERT INTO snap.slice_history
SELECT *
FROM readings
WHERE sequence > (SELECT coalesce(max(sequence), 0) FROM snap.slice_history);

-- name: snapshot_head
CREATE OR REPLACE TABLE snap.snapshot AS
SELECT $version AS schema_version, $now::TIMESTAMP AS published_at, calwatch_version, played, id AS state_id
FROM state;
