-- the newest $newest labels that wait though predictions observed after them have come: how many, the first and the last
SELECT count(DISTINCT hash(sample_id, observed_at)), min(labelled_at), max(labelled_at)
FROM (
    SELECT sample_id, observed_at, labelled_at
    FROM parked_labels
    WHERE model_id = $model_id AND source = $source
      AND (positives IS NOT NULL OR label IS NOT NULL AND NOT label_missing(label))
      AND labelled_at <= (SELECT max(last_observed_at) FROM slices WHERE model_id = $model_id) - to_seconds($under_way)
    QUALIFY rank() OVER (ORDER BY labelled_at DESC) <= $newest
);
