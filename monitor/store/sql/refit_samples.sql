-- labelled rows with a score from before any calibration, of the groups up to the cut, in order of time
SELECT epoch(s.observed_at) AS observed_at, s.slice_id, s.n, s.positives, s.label, s.logits, s.group_id, s.predicted_class,
       coalesce(s.raw_score, CASE WHEN t.calibrator = '' THEN s.score END) AS raw_score
FROM samples AS s
JOIN streams AS t ON t.stream_id = s.stream_id
WHERE s.model_id = $model_id AND t.version = $version AND list_contains($covered, s.slice_id)
  AND s.observed_at >= $start AND s.observed_at < $end AND s.positives IS NOT NULL
  AND (s.raw_score IS NOT NULL OR t.calibrator = '')
  AND ($cut IS NULL OR hash(coalesce(s.group_id, s.sample_id)) >> 48 <= $cut)
ORDER BY s.observed_at, s.sample_id;
