-- new rows (some of them) beside rows of the same id less than a second away, one of the two with a time that is cut or
-- rounded to whole seconds, milliseconds or the coarser precision ($unit, in microseconds) of the batch and what was known
WITH probe AS (
    SELECT own_file_id, sample_id, observed_at, count(*) OVER (PARTITION BY own_file_id) AS among
        FROM (
        SELECT own_file_id, sample_id, observed_at FROM arrived
        WHERE $files::INTEGER[] IS NULL OR list_contains($files::INTEGER[], own_file_id)
        ORDER BY hash(sample_id) LIMIT $probed
    )
),
close_by AS (
    SELECT s.sample_id, s.observed_at
    FROM samples AS s
    WHERE s.model_id = $model_id AND s.observed_at >= $first AND s.observed_at <= $last
      AND (s.file_id IS NULL OR NOT list_contains($later::INTEGER[], s.file_id))
      AND epoch_us(s.observed_at) // 1000000 IN (
          SELECT epoch_us(observed_at) // 1000000 + step FROM probe, (VALUES (-1), (0), (1)) AS steps(step))
)
SELECT b.file, any_value(p.among), count(DISTINCT p.sample_id) FILTER (c.sample_id IS NOT NULL)
FROM probe AS p
JOIN file_numbers AS b ON b.file_id = p.own_file_id
LEFT JOIN close_by AS c
    ON c.sample_id = p.sample_id AND c.observed_at <> p.observed_at
    AND abs(epoch_us(c.observed_at) - epoch_us(p.observed_at)) < 1000000
    AND ((epoch_us(c.observed_at) % 1000000 = 0) <> (epoch_us(p.observed_at) % 1000000 = 0)
         OR (epoch_us(c.observed_at) % 1000 = 0) <> (epoch_us(p.observed_at) % 1000 = 0)
         OR (epoch_us(c.observed_at) % $unit = 0) <> (epoch_us(p.observed_at) % $unit = 0))
GROUP BY b.file;
