-- rows of the store observed at a time of this batch: times read 10 times as fast as identities, and few rows share one.
-- Called once for each run of touched days, so that row groups are pruned.
CREATE OR REPLACE TEMP TABLE candidates AS
SELECT s.rowid AS row_key
FROM samples AS s
SEMI JOIN fresh AS f ON s.observed_at = f.observed_at
WHERE s.observed_at >= $first AND s.observed_at < $beyond;
