-- of each equal span of time, the last reading of each version
SELECT window_end AS "at", version, state, samples, ece, ece_debiased, ece_lower, ece_upper, ece_null_quantile,
       calibration_gap
FROM (FROM slice_history UNION ALL BY NAME FROM newest)
WHERE model = $model AND slice = $slice AND "window" = $window AND window_end > $since AND window_end <= $until
QUALIFY row_number() OVER (
    PARTITION BY version, ceil((epoch(window_end) - epoch($until::TIMESTAMP)) / $span)
    ORDER BY window_end DESC, computed_at DESC
) = 1
ORDER BY window_end, version
LIMIT 2000;
