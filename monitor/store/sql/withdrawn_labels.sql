-- samples whose label came from a file that, as it is now, has none for them
CREATE OR REPLACE TEMP TABLE replaced AS
SELECT s.rowid AS row_key, s.*
FROM samples AS s
WHERE s.model_id = $model_id AND s.label_file_id = $file_id AND s.positives IS NOT NULL
  AND CASE WHEN $labels
      THEN s.sample_id NOT IN (SELECT sample_id FROM staged WHERE file = $file AND sample_id IS NOT NULL AND labelled)
      ELSE (s.sample_id, s.observed_at) IN (
          SELECT (sample_id, observed_at) FROM staged WHERE file = $file AND reason IS NULL
          GROUP BY sample_id, observed_at HAVING NOT bool_or(labelled))
      END;
