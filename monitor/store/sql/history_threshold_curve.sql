SELECT threshold, share, precision, precision_lower, precision_upper, recall, recall_lower, recall_upper, f1, cost,
       fp_per_group
FROM threshold_curves
WHERE model = $model AND scope = $scope AND policy = $policy AND per = $per AND class_name = $class_name
  AND calibrator = $calibrator
ORDER BY threshold
LIMIT 1000;
