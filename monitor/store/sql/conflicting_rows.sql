-- samples that an earlier version of a file brought, and that now stand in it twice with other predictions
CREATE OR REPLACE TEMP TABLE gone AS
SELECT s.rowid AS row_key, r.heir
FROM samples AS s
LEFT JOIN (
    SELECT identity, min(file_id) AS heir
    FROM repeated_rows
    WHERE model_id = $model_id AND NOT labels AND file_id NOT IN (SELECT file_id FROM file_numbers)
    GROUP BY identity
) AS r ON r.identity = hash(s.sample_id, s.observed_at)
WHERE s.model_id = $model_id
  AND s.observed_at IN (SELECT observed_at FROM staged WHERE reason = 'conflicting_identity')
  AND (s.sample_id, s.observed_at, s.file_id) IN (
      SELECT (c.sample_id, c.observed_at, b.file_id)
      FROM staged AS c JOIN file_numbers AS b ON b.file = c.file
      WHERE c.reason = 'conflicting_identity');
