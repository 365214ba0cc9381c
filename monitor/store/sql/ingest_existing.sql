-- Those of the candidates that have an identity of this batch, with where in the batch, and what is said there: a prediction, a
-- label. It is compared as a pair: of two columns DuckDB would push a
-- range each into the scan, and read the ids of all rows of these days to check it.
INSERT INTO existing
SELECT s.rowid AS row_key, f.position AS said_at, f.score IS NOT NULL AS predicts, f.labelled, s.*
FROM samples AS s
JOIN fresh AS f ON (s.sample_id, s.observed_at) = (f.sample_id, f.observed_at)
WHERE s.model_id = $model_id AND s.observed_at >= $first AND s.observed_at < $beyond
  AND s.rowid IN (SELECT row_key FROM candidates);
