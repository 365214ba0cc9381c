-- samples of files that were written anew which are not met again in their file, among them those that are new in it
CREATE OR REPLACE TEMP TABLE missed AS
SELECT s.rowid AS row_key, s.sample_id, s.observed_at, s.file_id
FROM samples AS s
WHERE s.model_id = $model_id AND list_contains($files, s.file_id)
  AND s.rowid NOT IN (SELECT row_key FROM existing WHERE number_of_file(said_at, NULL) = file_id);
