-- Those of the candidates that have an identity of this batch. It is compared as a pair: of two columns DuckDB would push a
-- range each into the scan, and read the ids of all rows of these days to check it.
INSERT INTO existing
SELECT s.rowid AS row_key, s.*
FROM samples AS s
WHERE s.model_id = $model_id AND s.observed_at >= $first AND s.observed_at < $beyond
  AND s.rowid IN (SELECT row_key FROM candidates)
  AND (s.sample_id, s.observed_at) IN (SELECT (sample_id, observed_at) FROM fresh);
