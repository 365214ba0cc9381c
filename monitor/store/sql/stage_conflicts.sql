-- rows of one file that seem to say different things of one prediction; values that are absent say nothing
CREATE OR REPLACE TEMP TABLE conflicts AS
SELECT file, sample_id, observed_at, min(slice_key) AS one_slice, max(slice_key) AS other_slice,
       coalesce(min(score) <> max(score), false) OR coalesce(min(raw_score) <> max(raw_score), false)
       OR coalesce(min(logits) <> max(logits), false) OR coalesce(min(version) <> max(version), false)
       OR coalesce(min(predicted_class) <> max(predicted_class), false) OR min(n) <> max(n) AS differ
FROM staged SEMI JOIN repeated USING (sample_id, observed_at)
WHERE reason IS NULL
GROUP BY file, sample_id, observed_at
HAVING count(*) > 1 AND (differ OR coalesce(one_slice <> other_slice, false));
