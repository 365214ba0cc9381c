-- identities that stand more than once in the batch
CREATE OR REPLACE TEMP TABLE repeated AS
SELECT sample_id, observed_at
FROM staged
WHERE reason IS NULL
GROUP BY sample_id, observed_at
HAVING count(*) > 1;
