-- labels of a span of time that found their prediction; not those known to be of another source
SELECT count(*)
FROM samples AS s
WHERE s.model_id = $model_id AND s.positives IS NOT NULL AND s.labelled_at >= $first AND s.labelled_at <= $last
  AND (s.label_file_id IS NULL
       OR s.label_file_id IN (SELECT file_id FROM files WHERE model_id = $model_id AND source = $source));
