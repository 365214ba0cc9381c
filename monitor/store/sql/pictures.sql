-- Samples whose pictures people will want to look at.

-- name: largest_errors
-- of the samples observed in [$start, $end) those furthest from what came true, one of each image or group
WITH far AS (
    SELECT s.*, s.positives / s.n AS rate
    FROM samples AS s
    WHERE s.model_id = $model_id AND s.positives IS NOT NULL AND s.n > 0 AND s.observed_at >= $start AND s.observed_at < $end
    ORDER BY abs(s.score - s.positives / s.n) DESC, s.observed_at DESC, s.sample_id
    LIMIT $looked
), one_each AS (
    SELECT *
    FROM far
    QUALIFY row_number() OVER (
        PARTITION BY coalesce(group_id, sample_id) ORDER BY abs(score - rate) DESC, observed_at DESC, sample_id
    ) = 1
)
INSERT INTO largest_errors
SELECT $model, row_number() OVER (ORDER BY abs(e.score - e.rate) DESC, e.observed_at DESC, e.sample_id) AS place, e.sample_id,
    e.group_id, v.version, e.observed_at, e.labelled_at, e.score, e.rate, e.predicted_class, e.label, l.labels
FROM one_each AS e
JOIN streams AS v USING (stream_id)
JOIN slices AS l ON l.slice_id = e.slice_id
QUALIFY place <= $most;

-- name: history_largest_errors
SELECT sample_id, group_id, version, observed_at, labelled_at, score, rate, predicted_class, label, labels
FROM largest_errors
WHERE model = $model
ORDER BY place
LIMIT $limit;
