-- samples whose label came from a file that, as it is now, has none for them; ``heir``: another file that has one
CREATE OR REPLACE TEMP TABLE gone AS
SELECT s.rowid AS row_key, r.heir
FROM samples AS s
LEFT JOIN (
    SELECT identity, min(file_id) AS heir FROM repeated_rows
    WHERE model_id = $model_id AND labels AND file_id <> $file_id GROUP BY identity
) AS r ON r.identity = hash(s.sample_id, s.observed_at)
WHERE s.model_id = $model_id AND s.label_file_id = $file_id AND s.positives IS NOT NULL
  AND CASE WHEN $labels
      THEN s.sample_id NOT IN (SELECT sample_id FROM said WHERE file = $file AND observed_at IS NULL)
          AND (s.sample_id, s.observed_at) NOT IN (
              SELECT (sample_id, observed_at) FROM said WHERE file = $file AND observed_at IS NOT NULL)
      ELSE (s.sample_id, s.observed_at) IN (
          SELECT (sample_id, observed_at) FROM staged WHERE file = $file AND reason IS NULL
          GROUP BY sample_id, observed_at HAVING NOT bool_or(labelled))
      END;
