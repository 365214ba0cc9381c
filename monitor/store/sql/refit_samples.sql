-- labelled rows with a score from before any calibration; to be continued by a choice among them, and an order
SELECT epoch(s.observed_at) AS observed_at, s.slice_id, s.n, s.positives, s.label, s.logits, s.group_id, s.predicted_class,
       coalesce(s.raw_score, CASE WHEN t.calibrator = '' THEN s.score END) AS raw_score
FROM samples AS s
JOIN streams AS t ON t.stream_id = s.stream_id
WHERE s.model_id = $model_id AND t.version = $version AND list_contains($covered, s.slice_id)
  AND s.observed_at >= $start AND s.observed_at < $end AND s.positives IS NOT NULL
  AND (s.raw_score IS NOT NULL OR t.calibrator = '')
