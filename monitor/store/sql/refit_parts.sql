-- Groups fall into 65,536 parts by their hash alone: the rows a refit can take, of the parts up to $last.
CREATE OR REPLACE TEMP TABLE parts AS
SELECT s.rowid AS row_key, (hash(coalesce(s.group_id, s.sample_id)) >> 48)::USMALLINT AS part
FROM samples AS s
JOIN streams AS t ON t.stream_id = s.stream_id
WHERE s.model_id = $model_id AND t.version = $version AND list_contains($covered, s.slice_id)
  AND s.observed_at >= $start AND s.observed_at < $end AND s.positives IS NOT NULL
  AND (s.raw_score IS NOT NULL OR t.calibrator = '')
  AND hash(coalesce(s.group_id, s.sample_id)) >> 48 <= $last::UBIGINT;
