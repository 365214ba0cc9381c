-- the reading under which the store has the identity, of those rows of which it has one only. Identities are compared as a
-- pair, and within the few hours of one change: see ingest_existing.sql
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
