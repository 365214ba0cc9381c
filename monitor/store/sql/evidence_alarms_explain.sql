-- what is known of the direction of some alarms, from the table `words`
UPDATE evidence_alarms AS a
SET direction = w.direction, explained = true
FROM words AS w
WHERE a.model = $model AND a.rule = $rule AND a.version = w.version AND a.calibrator = w.calibrator
  AND a.slice = w.slice AND a.bucket = w.bucket;
