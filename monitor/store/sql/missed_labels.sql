-- samples whose label came from files that were written anew and is not met again there: a file of samples says so by a row
-- without its label, a file of labels by having no row
CREATE OR REPLACE TEMP TABLE missed AS
SELECT s.rowid AS row_key, s.sample_id, s.observed_at, s.label_file_id AS file_id
FROM samples AS s
WHERE s.model_id = $model_id AND list_contains($files, s.label_file_id) AND s.positives IS NOT NULL
  AND CASE WHEN $labels
      THEN s.rowid NOT IN (SELECT row_key FROM existing WHERE labelled AND number_of_file(said_at, NULL) = label_file_id)
      ELSE (s.sample_id, s.observed_at) IN (
          SELECT (sample_id, observed_at) FROM existing
          WHERE NOT labelled AND positives IS NOT NULL AND number_of_file(said_at, NULL) = label_file_id)
      END;
