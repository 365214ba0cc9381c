-- every reading: one per bucket, and the newest of each slice and window
CREATE OR REPLACE VIEW snap.slice_metrics AS
SELECT r.*, l.labels
FROM (
    SELECT * EXCLUDE (sequence), false AS newest FROM slice_history
    UNION ALL BY NAME
    SELECT *, true AS newest FROM slice_newest
) AS r
LEFT JOIN slice_labels AS l USING (slice);
