-- Groups fall into 65,536 parts by their hash alone; the last of the parts that together hold no more rows than asked
-- for. -1: the first part is too large already.
SELECT coalesce(max(part), -1)
FROM (
    SELECT part, sum(n) OVER (ORDER BY part) AS together
    FROM (
        SELECT (hash(coalesce(s.group_id, s.sample_id)) >> 48)::BIGINT AS part, count(*) AS n
        FROM samples AS s
        JOIN streams AS t ON t.stream_id = s.stream_id
        WHERE s.model_id = $model_id AND t.version = $version AND list_contains($covered, s.slice_id)
          AND s.observed_at >= $start AND s.observed_at < $end AND s.positives IS NOT NULL
          AND (s.raw_score IS NOT NULL OR t.calibrator = '')
        GROUP BY part
    )
)
WHERE together <= $max_samples;
