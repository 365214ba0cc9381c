SELECT rule, version, slice, "window", measure, samples, rest_samples, needed_samples, slices, own, rest, difference, lower,
       lower_alone, p_value
FROM disparities
WHERE model = $model
ORDER BY lower DESC NULLS LAST, difference DESC NULLS LAST, slice, rule
LIMIT $limit;
