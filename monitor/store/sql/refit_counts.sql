-- labelled rows: those a refit can take, those it cannot, and the time of the oldest
SELECT count(*) FILTER (s.raw_score IS NOT NULL OR t.calibrator = ''),
       count(*) FILTER (s.raw_score IS NULL AND t.calibrator <> ''),
       min(s.observed_at)
FROM samples AS s
JOIN streams AS t ON t.stream_id = s.stream_id
WHERE s.model_id = $model_id AND t.version = $version AND list_contains($covered, s.slice_id)
  AND s.observed_at >= $start AND s.observed_at < $end AND s.positives IS NOT NULL;
