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
