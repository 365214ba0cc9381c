-- identities that rows have become one of, and whether those rows predict differently
CREATE OR REPLACE TEMP TABLE renewal_several AS
SELECT sample_id, observed_at,
    count(DISTINCT score) > 1 OR count(DISTINCT predicted_class) > 1 OR count(DISTINCT slice_id) > 1
        OR count(DISTINCT stream_id) > 1 AS differs
FROM incoming
GROUP BY sample_id, observed_at
HAVING count(*) > 1;
