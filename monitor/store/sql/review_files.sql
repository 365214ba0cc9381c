-- each file's rows in numbers; a row that cannot be taken for another reason says nothing of its file
SELECT
    file,
    count(*),
    count(*) FILTER (reason = 'unreadable_time'),
    count(coalesce(raw_score, score)) FILTER (reason IS NULL OR reason IN ('score_outside_0_1', 'unknown_outcome')),
    count(*) FILTER (reason = 'score_outside_0_1' AND greatest(score, coalesce(raw_score, score)) > $percent
                     AND greatest(score, coalesce(raw_score, score)) <= 100),
    count(*) FILTER (reason IS NULL AND predicted_class IS NOT NULL AND coalesce(raw_score, score) < $half),
    count(*) FILTER (reason IS NULL AND predicted_class IS NOT NULL AND coalesce(raw_score, score) IS NOT NULL),
    count(*) FILTER (minus),
    count(*) FILTER (reason IS NULL AND NOT minus AND positives > 0),
    count(*) FILTER (reason IS NULL AND NOT minus AND positives = 0),
    count(*) FILTER (label IS NOT NULL AND labelled AND positives IS NOT NULL),
    min(predicted_class) FILTER (reason IS NULL AND coalesce(raw_score, score) IS NOT NULL),
    max(predicted_class) FILTER (reason IS NULL AND coalesce(raw_score, score) IS NOT NULL),
    min(label) FILTER (reason = 'unknown_outcome'),
    max(label) FILTER (reason = 'unknown_outcome')
FROM staged
GROUP BY file
ORDER BY min(position);
