-- The first rows of a source, tried: what `calwatch check` counts.

-- name: tried_counts
SELECT count(*), count(positives) FILTER (taken), min(observed_at) FILTER (taken), max(observed_at) FILTER (taken),
    count(predicted_class) FILTER (taken), count(label) FILTER (taken AND labelled AND positives IS NULL),
    count(*) FILTER (taken AND observed_at < $oldest),
    count(*) FILTER (taken AND greatest(observed_at, labelled_at) > $latest),
    count(*) FILTER (taken AND clipped), count(*) FILTER (taken AND minus),
    count(DISTINCT (sample_id, observed_at)) FILTER (taken),
    count(*) FILTER (taken AND labelled), count(*) FILTER (taken AND labelled AND labelled_at IS NULL)
FROM (SELECT *, reason IS NULL AS taken FROM tried);

-- name: tried_reasons
SELECT reason, count(*), arg_min(file, place), arg_min(row, place), arg_min(record, place)
FROM tried
WHERE reason IS NOT NULL
GROUP BY reason;

-- name: tried_groups_of_one
SELECT max(samples) = 1 AND max(counted) = 1
FROM (
    SELECT count(DISTINCT (sample_id, observed_at)) AS samples, max(n) AS counted
    FROM tried WHERE reason IS NULL AND group_id IS NOT NULL
    GROUP BY group_id
);

-- name: tried_label_twice
SELECT count(*) FILTER (twice), count(*)
FROM (
    SELECT count(DISTINCT coalesce(label, positives::VARCHAR)) > 1 AND count(DISTINCT labelled_at) < 2 AS twice
    FROM tried WHERE reason IS NULL AND labelled
    GROUP BY file, sample_id, observed_at
);

-- name: tried_labels_unlike_classes
SELECT label, count(*) FROM tried
WHERE reason IS NULL AND label IS NOT NULL AND labelled AND predicted_class IS NOT NULL
    AND label NOT IN (SELECT predicted_class FROM tried WHERE predicted_class IS NOT NULL)
GROUP BY label ORDER BY count(*) DESC, label;

-- name: tried_labels
SELECT label, count(*), coalesce(sum(score), 0)
FROM tried
WHERE reason IS NULL AND label IS NOT NULL AND labelled
GROUP BY label
ORDER BY count(*) DESC, label;

-- name: tried_joined
CREATE OR REPLACE TEMP TABLE tried AS
SELECT p.sample_id, p.score, p.predicted_class, l.label, p.n, p.clipped, NULL::VARCHAR AS reason, true AS labelled,
    coalesce(l.positives, (l.label = p.predicted_class)::BIGINT) AS positives
FROM (SELECT DISTINCT ON (sample_id) * FROM tried_samples WHERE n = 1) AS p JOIN tried_labels AS l USING (sample_id);

-- name: tried_paired
CREATE OR REPLACE TEMP TABLE tried AS
SELECT p.sample_id, p.score, p.predicted_class, l.label, p.n, p.clipped, NULL::VARCHAR AS reason, true AS labelled,
    NULL::BIGINT AS positives
FROM (SELECT *, row_number() OVER () AS place FROM tried_samples WHERE predicted_class IS NOT NULL) AS p
JOIN (SELECT *, row_number() OVER () AS place FROM tried_labels WHERE label IS NOT NULL) AS l USING (place);

-- name: tried_delays_beside
CREATE OR REPLACE TEMP TABLE tried_delays AS
SELECT labelled_at, true AS dated, NULL::TIMESTAMP AS said, observed_at, reason IS NULL AS joins
FROM tried
WHERE positives IS NOT NULL AND labelled_at IS NOT NULL AND (reason IS NULL OR reason = 'label_too_late');

-- name: tried_delays_apart
-- each label with the newest prediction that it joins, else with the newest of its id
CREATE OR REPLACE TEMP TABLE tried_delays AS
SELECT coalesce(l.labelled_at, $at) AS labelled_at, l.labelled_at IS NOT NULL AS dated, l.observed_at AS said, p.observed_at,
    p.observed_at <= coalesce(l.labelled_at, $at)
    AND p.observed_at >= coalesce(l.labelled_at, $at) - to_seconds($horizon_seconds)
    AND (said IS NULL OR said = p.observed_at) AS joins
FROM tried_labels AS l
JOIN tried_samples AS p USING (sample_id)
WHERE coalesce(l.labelled_at, $at) IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY l.rowid ORDER BY joins DESC, p.observed_at DESC) = 1;

-- name: tried_too_late
SELECT epoch(median(labelled_at - observed_at)), epoch(max(labelled_at - observed_at)), count(*)
FROM tried_delays
WHERE NOT joins;

-- name: tried_delays_counted
-- of labels that say a time from after their prediction: how many, the median delay, how many come $fold_seconds later
SELECT count(*), epoch(median(labelled_at - observed_at)),
    count(*) FILTER (labelled_at - observed_at > to_seconds($fold_seconds))
FROM tried_delays
WHERE dated AND labelled_at >= observed_at;

-- name: tried_changing
SELECT file, count(*) FILTER (changes), count(*)
FROM (
    SELECT file, place, coalesce(
        abs(score - lag(score) OVER same) > 0.005 OR coalesce(abs(raw_score - lag(raw_score) OVER same) > 0.005, false)
        OR slice_key <> lag(slice_key) OVER same OR coalesce(version <> lag(version) OVER same, false), false) AS changes
    FROM tried WHERE reason IS NULL
    WINDOW same AS (PARTITION BY sample_id, observed_at ORDER BY place)
)
GROUP BY file HAVING count(*) FILTER (changes) > 0.01 * count(*) ORDER BY min(place);

-- name: tried_near
SELECT count(*) FILTER (near), count(*), count(*) FILTER (near AND alike),
    count(DISTINCT (sample_id, second)) FILTER (near),
    count(DISTINCT (sample_id, second)) FILTER (again_and_again OR (near AND goes_on))
FROM (
    SELECT sample_id, epoch_us(observed_at) // 1000000 AS second,
        abs(score - lag(score) OVER same) <= 0.005 AS alike,
        epoch_us(observed_at) - epoch_us(lag(observed_at) OVER same) < 1000000
        AND observed_at <> lag(observed_at) OVER same
        AND ((epoch_us(observed_at) % 1000000 = 0) <> (epoch_us(lag(observed_at) OVER same) % 1000000 = 0)
             OR (epoch_us(observed_at) % 1000 = 0) <> (epoch_us(lag(observed_at) OVER same) % 1000 = 0)) AS near,
        count(*) OVER (PARTITION BY sample_id, epoch_us(observed_at) // 1000000) > 3 AS again_and_again,
        coalesce(epoch_us(lead(observed_at) OVER same) - epoch_us(observed_at) <= 2000000, false)
        OR coalesce(epoch_us(lag(observed_at) OVER same) - epoch_us(lag(observed_at, 2) OVER same) <= 2000000, false) AS goes_on
    FROM tried WHERE reason IS NULL
    WINDOW same AS (PARTITION BY sample_id ORDER BY observed_at)
);

-- name: tried_agreement_by_chance
WITH pairs AS (
    SELECT label, predicted_class FROM tried
    WHERE reason IS NULL AND labelled AND label IS NOT NULL AND predicted_class IS NOT NULL
)
SELECT (SELECT count(*) FROM pairs), coalesce(sum(l.n * c.n), 0) / greatest((SELECT count(*) FROM pairs), 1) ** 2
FROM (SELECT label, count(*) AS n FROM pairs GROUP BY label) AS l
JOIN (SELECT predicted_class, count(*) AS n FROM pairs GROUP BY predicted_class) AS c ON predicted_class = label;

-- name: tried_answers
-- what stands beside each value of a slice dimension in labelled rows
SELECT value, label, predicted_class, CASE WHEN positives = 0 THEN 0 WHEN positives = n THEN 1 END, count(*)
FROM (
    SELECT string_split(slice_key, chr(31))[$place] AS value, label, predicted_class, n,
           coalesce(positives, (label = predicted_class)::BIGINT) AS positives
    FROM tried WHERE reason IS NULL
)
WHERE value <> '' AND positives IS NOT NULL
GROUP BY ALL;

-- name: tried_separated
-- whether scores tell the outcomes apart without a mistake
SELECT coalesce(min(score) FILTER (positives > 0) > max(score) FILTER (positives = 0), false) FROM tried WHERE reason IS NULL;

-- name: tried_decades
-- percentages, which are stored as hundredths, by their decade
SELECT count(*) FILTER (score > 0.001 AND score <= 0.01), count(*) FILTER (score > 0.01 AND score <= 0.1), count(score)
FROM tried
WHERE reason IS NULL;

-- name: tried_sums
SELECT coalesce(sum(n), 0)::BIGINT, coalesce(sum(positives), 0)::BIGINT, coalesce(sum(n * score), 0.0)
FROM tried
WHERE reason IS NULL AND positives IS NOT NULL;

-- name: tried_names
-- how labels and predicted classes go together, in the rows that have both (`named`)
SELECT count(*), count(*) FILTER (label = predicted_class),
    count(*) FILTER (label <> predicted_class AND lower(label) = lower(predicted_class)),
    CASE WHEN count(*) FILTER (label = '0') <= 0.05 * count(*) THEN
        count(*) FILTER (TRY_CAST(label AS BIGINT) = TRY_CAST(predicted_class AS BIGINT) + 1) ELSE 0 END,
    CASE WHEN count(*) FILTER (predicted_class = '0') <= 0.05 * count(*) THEN
        count(*) FILTER (TRY_CAST(label AS BIGINT) = TRY_CAST(predicted_class AS BIGINT) - 1) ELSE 0 END,
    count(*) FILTER (TRY_CAST(label AS BIGINT) IS NOT NULL), count(*) FILTER (TRY_CAST(predicted_class AS BIGINT) IS NOT NULL),
    count(*) FILTER (NOT list_contains((SELECT list(DISTINCT predicted_class) FROM tried WHERE /*named*/), label)),
    count(*) FILTER (NOT list_contains((SELECT list(DISTINCT label) FROM tried WHERE /*named*/), predicted_class)), sum(score)
FROM tried WHERE /*named*/;

-- name: tried_written_twice
WITH pairs AS (SELECT label, predicted_class, count(*) AS n FROM tried WHERE /*named*/ GROUP BY ALL),
lonely AS (
    SELECT label, predicted_class, n, sum(n) OVER (PARTITION BY label) AS of_label,
        sum(n) OVER (PARTITION BY predicted_class) AS of_class
    FROM pairs
    WHERE label NOT IN (SELECT predicted_class FROM pairs) AND predicted_class NOT IN (SELECT label FROM pairs)
)
SELECT label, predicted_class, n FROM lonely
WHERE n >= 5 AND n > of_label / 2 AND n > of_class / 2
ORDER BY n DESC, label;

-- name: tried_met
SELECT (SELECT count(*) FROM tried) >= $enough OR EXISTS (
    SELECT 1 FROM tried_labels AS l JOIN tried_samples AS p ON p.predicted_class = l.label);
