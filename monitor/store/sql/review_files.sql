-- each file's rows in numbers; a row that cannot be taken for another reason says nothing of its file
SELECT
    file,
    count(*),
    count(*) FILTER (reason = 'unreadable_time'),
    count(*) FILTER (reason IS NULL OR reason IN ('score_outside_0_1', 'unknown_outcome')),
    count(*) FILTER (reason = 'score_outside_0_1' AND greatest(score, coalesce(raw_score, score)) > $percent
                     AND greatest(score, coalesce(raw_score, score)) <= 100),
    count(*) FILTER (reason IS NULL AND predicted_class IS NOT NULL AND coalesce(raw_score, score) < 0.5),
    count(*) FILTER (reason IS NULL AND predicted_class IS NOT NULL AND coalesce(raw_score, score) IS NOT NULL),
    count(*) FILTER (minus),
    count(*) FILTER (reason IS NULL AND NOT minus AND positives > 0),
    count(*) FILTER (reason IS NULL AND NOT minus AND positives = 0),
    count(*) FILTER (label IS NOT NULL AND (labelled OR reason = 'unknown_outcome')),
    count(*) FILTER (label IS NOT NULL AND labelled AND positives IS NOT NULL),
    count(*) FILTER (label = $positive),
    min(predicted_class) FILTER (reason IS NULL AND coalesce(raw_score, score) IS NOT NULL),
    max(predicted_class) FILTER (reason IS NULL AND coalesce(raw_score, score) IS NOT NULL),
    list(DISTINCT label) FILTER (reason = 'unknown_outcome' AND label IS NOT NULL),
    any_value(label) FILTER (label <> $positive AND lower(label) = lower($positive))
FROM staged
GROUP BY file
ORDER BY min(position);
