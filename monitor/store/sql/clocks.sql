-- Times that clocks showed twice.

-- name: folds_found
-- rows of `staged` whose time clocks showed twice, with a number for each change of the clocks (days apart from the next)
CREATE OR REPLACE TEMP TABLE folded AS
SELECT position, file, row, sample_id, earlier, later, NULL::TIMESTAMP AS stored,
    sum(apart::INTEGER) OVER (ORDER BY earlier)                                     AS fold,
    count(*) OVER (PARTITION BY file, sample_id, earlier) = 1                       AS alone
FROM (
    SELECT position, file, row, sample_id, observed_at AS earlier, observed_other AS later,
        coalesce(observed_at - lag(observed_at) OVER (ORDER BY observed_at) > INTERVAL 12 HOURS, true) AS apart
    FROM staged
    WHERE reason IS NULL AND observed_other > observed_at
);

-- name: folds_settled
-- each time that clocks showed twice gets one reading; a later one that is ahead of now cannot be
CREATE OR REPLACE TEMP TABLE settled AS
SELECT f.position,
    CASE
        WHEN f.alone AND f.stored IS NOT NULL THEN f.stored
        WHEN f.later > $now THEN coalesce(f.stored, f.earlier)
        WHEN w.is_later IS NOT NULL THEN CASE WHEN w.is_later THEN f.later ELSE f.earlier END
        ELSE coalesce(f.stored, f.later)
    END                                                                         AS observed_at,
    f.stored IS NULL AND w.is_later IS NULL AND f.later <= $now                 AS guessed
FROM folded AS f LEFT JOIN walked AS w USING (position);

-- name: folds_stored
-- the reading under which the store has the identity, of those rows of which it has one only. Identities are compared as a
-- pair, and within the few hours of one change: see ingest_existing
UPDATE folded SET stored = known.observed_at
FROM (
    SELECT f.position, min(s.observed_at) AS observed_at
    FROM samples AS s
    JOIN (
        SELECT position, sample_id, unnest([earlier, later]) AS observed_at FROM folded WHERE fold = $fold
    ) AS f ON (s.sample_id, s.observed_at) = (f.sample_id, f.observed_at)
    WHERE s.model_id = $model_id AND s.observed_at >= $first AND s.observed_at <= $last
    GROUP BY f.position
    HAVING count(DISTINCT s.observed_at) = 1
) AS known
WHERE folded.position = known.position;

-- name: folds_walked
-- Files walked in the order of their rows through one change of the clocks, and what that tells of rows shown twice.
-- A step back of more than a quarter of what was shown twice, in a file that rises, is where the clocks went back. (Shorter
-- ones are rows out of order.) Files that fall are walked from their end; those without an order tell nothing.
INSERT INTO walked
WITH near AS (
    SELECT file, row, position, slice_key, observed_at AS moment, coalesce(observed_other > observed_at, false) AS twice
    FROM staged
    WHERE file IN (SELECT file FROM folded WHERE fold = $fold)
      AND observed_at >= $first - INTERVAL 6 HOURS AND observed_at <= $last + INTERVAL 8 HOURS
      -- times with an offset of their own within those hours say nothing of the others
      AND (observed_other > observed_at OR observed_at < $first OR observed_at > $last + to_microseconds($width))
),
steps AS (
    SELECT file, twice AND lag(twice) OVER in_order AS inside, epoch_us(moment - lag(moment) OVER in_order) AS step
    FROM near
    WINDOW in_order AS (PARTITION BY file ORDER BY row)
),
orders AS (
    SELECT file,
        sign(coalesce(nullif(sum(step) FILTER (abs(step) <= $width / 4), 0), sum(sign(step)) FILTER (NOT inside))) AS direction,
        count(*) FILTER (step < -$width / 4 AND NOT inside)  AS back,
        count(*) FILTER (step > $width / 4 AND NOT inside)   AS forth,
        count(*) FILTER (NOT inside)                         AS steps
    FROM steps
    GROUP BY file
),
-- more than one step in four the other way is no order
ordered AS (
    SELECT file, direction FROM orders
    WHERE direction <> 0 AND (CASE WHEN direction > 0 THEN back ELSE forth END) * 4 <= steps
),
walk AS (
    SELECT n.*, n.row * o.direction AS turn,
        coalesce(epoch_us(n.moment - lag(n.moment) OVER in_order) < -$width / 4, false) AS back,
        n.twice AND lag(n.twice) OVER in_order                                  AS inside
    FROM near AS n JOIN ordered AS o USING (file)
    WINDOW in_order AS (PARTITION BY n.file ORDER BY n.row * o.direction)
),
-- a part rises all through; a chain is parts that follow each other within what was shown twice
parts AS (
    SELECT *,
        count(*) FILTER (back) OVER in_order                AS part,
        count(*) FILTER (back AND NOT inside) OVER in_order AS chain
    FROM walk
    WINDOW in_order AS (PARTITION BY file ORDER BY turn)
),
sums AS (
    SELECT p.file, p.chain, p.part,
        min(p.moment) FILTER (p.twice)                             AS begins,
        max(p.moment) FILTER (p.twice)                             AS ends,
        max(p.moment) FILTER (NOT p.twice AND p.moment < $first)       AS before,
        min(p.moment) FILTER (NOT p.twice AND p.moment > $last)        AS after,
        list(DISTINCT p.slice_key)                             AS slices,
        min(f.stored > f.earlier)                              AS stored_low,
        max(f.stored > f.earlier)                              AS stored_high,
        max(f.later)                                           AS latest
    FROM parts AS p LEFT JOIN folded AS f USING (position)
    GROUP BY p.file, p.chain, p.part
    HAVING bool_or(p.twice)
),
placed AS (
    SELECT *,
        row_number() OVER in_chain AS number,
        count(*) OVER whole        AS number_of,
        -- cameras one after the other go back too: each of the two parts has to have one that the other has
        list_has_any(slices, coalesce(lag(slices) OVER in_chain, lead(slices) OVER in_chain)) AS shared,
        coalesce(epoch_us(begins - before) < $width, false)             AS goes_on,   -- from what was shown once
        coalesce(epoch_us(after - ends) - $width < $width, false)       AS leads_on   -- to what was shown once
    FROM sums
    WINDOW in_chain AS (PARTITION BY file, chain ORDER BY part), whole AS (PARTITION BY file, chain)
)
SELECT p.position,
    CASE
        WHEN w.number_of = 2 AND w.shared THEN w.number = 2
        WHEN w.number = 1 AND w.goes_on AND NOT (w.number_of = 1 AND w.leads_on) THEN false
        WHEN w.number = w.number_of AND w.leads_on AND NOT (w.number_of = 1 AND w.goes_on) THEN true
        -- what rises all through is of one time: that of rows known, or that not ahead of now
        WHEN w.stored_low = w.stored_high THEN w.stored_low
        WHEN w.latest > $now THEN false
    END AS is_later
FROM parts AS p JOIN placed AS w USING (file, chain, part)
WHERE p.twice;

-- name: folds_labelled
UPDATE staged
SET labelled_at = CASE WHEN least(labelled_at, labelled_other) >= observed_at THEN least(labelled_at, labelled_other)
                       ELSE greatest(labelled_at, labelled_other) END
WHERE labelled_other IS NOT NULL AND reason IS NULL AND observed_at IS NOT NULL;

-- name: folds_labelled_later
UPDATE staged
SET labelled_at = labelled_other, labelled_other = labelled_at
WHERE labelled_other > labelled_at AND labelled_other <= $latest AND reason IS NULL;
