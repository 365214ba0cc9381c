UPDATE slices
SET last_observed_at = greatest(coalesce(last_observed_at, seen.observed_at), seen.observed_at),
    last_labelled_at = CASE WHEN seen.labelled_at IS NULL THEN last_labelled_at
                            ELSE greatest(coalesce(last_labelled_at, seen.labelled_at), seen.labelled_at) END
FROM (SELECT slice_id, max(observed_at) AS observed_at, max(labelled_at) AS labelled_at FROM incoming GROUP BY slice_id)
    AS seen
WHERE slices.model_id = $model_id AND slices.slice_id = seen.slice_id;
