-- Alarms of drift evidence.

-- name: evidence_alarms_explain
-- what is known of the direction of some alarms, from the table `words`
UPDATE /*table*/ AS a
SET direction = w.direction, shifts = w.shifts, explained = true
FROM words AS w
WHERE a.model = $model AND a.rule = $rule AND a.version = w.version AND a.calibrator = w.calibrator
  AND a.slice = w.slice AND a.bucket = w.bucket;

-- name: evidence_alarms_newest
-- of each open stream with alarms since it was opened: the newest, how many there are, and the onset of the first of
-- those that led to it without quiet between (see model.quiet_for)
WITH alarms AS (
    SELECT a.version, a.calibrator, a.slice, a.bucket, a.ratio, a.onset, a.samples,
           coalesce(a.shifts, '[]') AS shifts, a.direction, a.explained, a.told_at,
           lag(a.bucket + $width) OVER (PARTITION BY a.version, a.calibrator, a.slice ORDER BY a.bucket) AS last_at,
           lag(a.onset) OVER (PARTITION BY a.version, a.calibrator, a.slice ORDER BY a.bucket) AS last_onset
    FROM /*table*/ AS a
    JOIN evidence_streams AS s USING (model, rule, version, calibrator, slice)
    WHERE a.model = $model AND a.rule = $rule AND s.closed IS NULL AND a.bucket >= s.opened
)
SELECT version, calibrator, slice, count(*) AS alarms,
       arg_max(onset, bucket) FILTER (
           last_at IS NULL OR bucket + $width >= last_at + greatest($quiet, $times * (last_at - last_onset))
       ) AS began,
       max(bucket) AS bucket, arg_max(ratio, bucket) AS ratio, arg_max(onset, bucket) AS onset,
       arg_max(samples, bucket) AS samples, arg_max(shifts, bucket) AS shifts, arg_max(direction, bucket) AS direction,
       arg_max(explained, bucket) AS explained, max(told_at) AS told_at
FROM alarms
GROUP BY version, calibrator, slice;

-- name: alarms_told
SELECT version, calibrator, slice, max(bucket)
FROM told_alarms
WHERE model = $model AND rule = $rule AND bucket >= $since AND NOT superseded
GROUP BY ALL;
