-- of rows whose identity stands in several files of a batch: which of these files, from 0, they are of
CREATE OR REPLACE TEMP TABLE round_of AS
SELECT position, dense_rank() OVER (PARTITION BY sample_id, observed_at ORDER BY position >> 40) - 1 AS round
FROM staged SEMI JOIN repeated USING (sample_id, observed_at)
WHERE reason IS NULL
QUALIFY round > 0;
