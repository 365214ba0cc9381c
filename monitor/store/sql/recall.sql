-- Recall that earlier releases took from detections alone: where it is, and away with it. What was tuned is over truths.

-- name: recall_known
-- thresholds with a recall, or with a promise of one
SELECT /*columns*/
FROM thresholds
WHERE model = $model AND (
    coalesce(recall, recall_lower, recall_upper) IS NOT NULL OR starts_with(policy, 'recall') AND kept IS NOT NULL
) AND NOT coalesce(tuned, false)
ORDER BY ALL;

-- name: recall_told
-- refits that said it
SELECT /*columns*/
FROM jobs
WHERE model = $model AND kind = 'recalibrate' AND regexp_matches(array_to_string(reasons, ' '), 'recall ([0-9]|>=)')
ORDER BY id;

-- name: recall_measured
SELECT EXISTS (FROM readings WHERE model = $model AND threshold_recall_upper IS NOT NULL)
    OR EXISTS (FROM newest_readings WHERE model = $model AND threshold_recall_upper IS NOT NULL)
    OR EXISTS (FROM threshold_curves WHERE model = $model AND recall IS NOT NULL AND nms_iou IS NULL);

-- name: recall_forget_curves
UPDATE threshold_curves
SET recall = NULL, recall_lower = NULL, recall_upper = NULL, f1 = NULL, cost = NULL
WHERE model = $model AND nms_iou IS NULL;

-- name: recall_forget_readings
-- under new numbers, which the snapshot takes up in place of the old ones
UPDATE readings
SET threshold_recall = NULL, threshold_recall_lower = NULL, threshold_recall_upper = NULL,
    sequence = nextval('reading_sequence')
WHERE model = $model AND threshold_recall_upper IS NOT NULL;

-- name: recall_forget_newest
UPDATE newest_readings
SET threshold_recall = NULL, threshold_recall_lower = NULL, threshold_recall_upper = NULL
WHERE model = $model;
