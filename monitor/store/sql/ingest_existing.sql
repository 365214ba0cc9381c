-- those of the candidates that have an identity of this batch
INSERT INTO existing
SELECT s.rowid AS row_key, s.*
FROM samples AS s
SEMI JOIN fresh AS f ON s.sample_id = f.sample_id AND s.observed_at = f.observed_at
WHERE s.model_id = $model_id AND s.observed_at >= $first AND s.observed_at < $beyond
  AND s.rowid IN (SELECT row_key FROM candidates);
