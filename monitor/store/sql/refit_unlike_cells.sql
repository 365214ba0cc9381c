-- a labelled row whose cells tell less than the row, or another score; as a condition this reads half of what counting does
SELECT 1
FROM samples AS s
JOIN streams AS t ON t.stream_id = s.stream_id
WHERE s.model_id = $model_id AND t.version = $version AND list_contains($covered, s.slice_id)
  AND s.observed_at >= $start AND s.observed_at < $end AND s.positives IS NOT NULL
  AND (t.calibrator <> '' OR s.raw_score <> s.score OR s.group_id IS NOT NULL OR s.logits IS NOT NULL OR s.n > 1)
LIMIT 1;
