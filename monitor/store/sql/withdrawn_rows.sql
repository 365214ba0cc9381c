-- samples of a file that, as it is now, does not have them; ``heir``: another file that does
CREATE OR REPLACE TEMP TABLE gone AS
SELECT s.rowid AS row_key, r.heir
FROM samples AS s
LEFT JOIN (
    SELECT identity, min(file_id) AS heir FROM repeated_rows
    WHERE model_id = $model_id AND NOT labels AND file_id <> $file_id GROUP BY identity
) AS r ON r.identity = hash(s.sample_id, s.observed_at)
WHERE s.model_id = $model_id AND s.file_id = $file_id
  AND (s.sample_id, s.observed_at) NOT IN (
      SELECT (sample_id, observed_at) FROM staged
      WHERE file = $file AND sample_id IS NOT NULL AND observed_at IS NOT NULL);
