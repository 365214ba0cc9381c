-- What the column logits of staged and stored rows holds: logits, probabilities, or neither. See scores/logits.py.

-- name: logits_measures
len(logits) AS length, list_min(logits) AS low, list_max(logits) AS high, list_sum(logits) AS total;

-- name: logits_kind
-- l logits, p probabilities (also as percentages), o one-hot, u otherwise in [0, 1], s a single number
CASE
    WHEN length = 1 THEN 's'
    WHEN low < -1e-6 THEN 'l'
    WHEN high = 1 AND total = 1 THEN 'o'
    WHEN high <= 1.00001 AND abs(total - 1) <= 0.05 THEN 'p'
    WHEN high > 1.00001 AND high <= 100.001 AND abs(total - 100) <= 5 THEN 'p'
    WHEN high <= 1.00001 THEN 'u'
    ELSE 'l'
END;

-- name: logits_sure
(low >= -1e-6 AND high < 1 AND abs(total - 1) <= 1e-3 OR high > 1.00001 AND low >= -1e-6 AND abs(total - 100) <= 0.1);

-- name: logits_possible
(low >= -1e-3 AND (total BETWEEN 0.5 AND 1.05 OR total BETWEEN 50 AND 105));

-- name: logits_obvious
-- most vectors of logits have a negative number near an end, and need no second look
(len(logits) > 1 AND (logits[1] < -1e-3 OR logits[2] < -1e-3 OR logits[-1] < -1e-3));

-- name: logits_logarithm
-- of probabilities, zeros floored at 1e-30; in float64 and rounded once, for staged and stored rows alike: a row that comes
-- again must be recognised
list_transform(logits, lambda p: ln(greatest(p::DOUBLE, 1e-30))::FLOAT);

-- name: logits_kinds
-- of the good rows of staged that are not obvious, how many look like what, how many sum to 100 or can be no probabilities
SELECT count(*) FILTER (kind = 'l'), count(*) FILTER (kind = 'p'), count(*) FILTER (kind = 'o'), count(*) FILTER (kind = 'u'),
       count(*) FILTER (kind = 's'), count(*) FILTER (kind = 'p' AND high > 1.00001),
       count(*) FILTER (kind <> 's' AND NOT /*logits_possible*/)
FROM (SELECT *, /*logits_kind*/ AS kind
      FROM (SELECT /*logits_measures*/ FROM staged WHERE reason IS NULL AND len(logits) > 0 AND NOT /*logits_obvious*/));

-- name: logits_obvious_rows
SELECT count(*)
FROM staged
WHERE reason IS NULL AND /*logits_obvious*/;

-- name: logits_by_file
-- the kinds of the vectors of each file, by its place in a batch of several, in order
SELECT /*place*/ AS place, string_agg(kind, '' ORDER BY position)
FROM (SELECT position, CASE WHEN obvious THEN 'l' ELSE /*logits_kind*/ END AS kind
      FROM (SELECT position, /*logits_obvious*/ AS obvious, /*logits_measures*/
            FROM staged WHERE reason IS NULL AND len(logits) > 0))
WHERE kind <> 's'
GROUP BY place
ORDER BY place;

-- name: logits_in_order
SELECT kind
FROM (SELECT position, /*logits_kind*/ AS kind
      FROM (SELECT position, /*logits_measures*/ FROM staged WHERE reason IS NULL AND len(logits) > 0))
WHERE kind <> 's'
ORDER BY position;

-- name: logits_impossible
UPDATE staged
SET reason = 'bad_logits'
FROM (SELECT position, /*logits_measures*/ FROM staged WHERE reason IS NULL AND len(logits) > 0) AS m
WHERE staged.position = m.position AND m.length > 1 AND NOT /*logits_possible*/;

-- name: logits_from_probabilities
-- written anew: to update nearly every row takes several times as long
CREATE OR REPLACE TEMP TABLE staged AS
SELECT * REPLACE (CASE WHEN reason IS NULL AND len(logits) > 1 THEN /*logits_logarithm*/ ELSE logits END AS logits)
FROM staged;

-- name: logits_from_sure_probabilities
UPDATE staged
SET logits = /*logits_logarithm*/
FROM (SELECT position, /*logits_measures*/ FROM staged WHERE reason IS NULL AND len(logits) > 0) AS m
WHERE staged.position = m.position AND m.length > 1 AND /*logits_sure*/;

-- name: logits_stored
SELECT count(*), count(*) FILTER (/*which*/)
FROM (SELECT /*logits_measures*/ FROM samples WHERE model_id = $model_id AND len(logits) > 1);

-- name: logits_mend_stored
UPDATE samples
SET logits = /*logits_logarithm*/
FROM (SELECT rowid AS row_key, /*logits_measures*/ FROM samples WHERE model_id = $model_id AND len(logits) > 1) AS m
WHERE samples.rowid = m.row_key AND samples.model_id = $model_id AND /*which*/;

-- name: logits_agreement
-- by predicted class and index of the largest logit: whether no logit is larger than the class's own, the width, the rows
SELECT predicted_class, list_position(logits, top) - 1, coalesce(logits[/*place*/] = top, false), max(len(logits)), count(*)
FROM (SELECT predicted_class, logits, list_max(logits) AS top
      FROM staged
      WHERE reason IS NULL AND predicted_class IS NOT NULL AND len(logits) > 0)
GROUP BY ALL;
