-- which slices are surely miscalibrated now: those whose interval keeps away from zero furthest
CREATE OR REPLACE VIEW snap.worst_slices AS
SELECT r.model, r.version, r.slice, r."window", r.samples, r.ece, r.ece_debiased, r.ece_lower, r.ece_upper,
       r.calibration_gap, r.window_end, l.labels
FROM slice_newest AS r
LEFT JOIN slice_labels AS l USING (slice)
WHERE r.state = 'ok'
ORDER BY r.ece_lower DESC, r.ece_debiased DESC;
