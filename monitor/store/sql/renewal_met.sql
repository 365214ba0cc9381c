-- rows that say the same as before, and whose identity another row now has too
INSERT INTO renewed
SELECT s.rowid, s.sample_id, s.observed_at, s.group_id, s.predicted_class, s.label, s.slice_id, s.positives, false, false, false,
    false
FROM samples AS s
WHERE s.model_id = $model_id AND s.observed_at >= $first AND s.observed_at < $beyond
  AND (s.sample_id, s.observed_at) IN (SELECT (sample_id, observed_at) FROM renewed WHERE moved)
  AND s.rowid NOT IN (SELECT row_key FROM renewed);
