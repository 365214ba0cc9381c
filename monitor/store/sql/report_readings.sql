-- the last reading of each slice in the period, of the version with most samples there; the worst first
SELECT slice, version, state, samples, unlabelled, label_coverage, label_lag_seconds, ece, ece_debiased, ece_lower, ece_upper,
       ece_null_quantile, calibration_gap, gap_lower, gap_upper, brier_score, log_loss, auroc, window_start, window_end
FROM slice_metrics
WHERE model = $model AND "window" = $window AND window_end > $since AND window_end <= $until
QUALIFY row_number() OVER (PARTITION BY slice ORDER BY window_end DESC, samples DESC, newest DESC) = 1
ORDER BY state = 'ok' DESC, ece_lower DESC NULLS LAST, ece_debiased DESC NULLS LAST, slice
