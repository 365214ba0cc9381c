-- labelled rows: those a refit can take, those it cannot, and those whose cells tell less than the row, or another score
SELECT count(*) FILTER (s.raw_score IS NOT NULL OR t.calibrator = ''),
       count(*) FILTER (s.raw_score IS NULL AND t.calibrator <> ''),
       count(*) FILTER (t.calibrator <> '' OR s.raw_score <> s.score OR s.group_id IS NOT NULL OR s.logits IS NOT NULL
                        OR s.n > 1),
       min(s.observed_at)
FROM samples AS s
JOIN streams AS t ON t.stream_id = s.stream_id
WHERE s.model_id = $model_id AND t.version = $version AND list_contains($covered, s.slice_id)
  AND s.observed_at >= $start AND s.observed_at < $end AND s.positives IS NOT NULL;
