-- the last of the parts that together hold no more rows than asked for (-1: the first is too large already), and whether
-- there is one beyond
SELECT coalesce(max(part) FILTER (together <= $max_samples), -1), coalesce(max(together) > $max_samples, false)
FROM (SELECT part, sum(count(*)) OVER (ORDER BY part) AS together FROM parts GROUP BY part);
