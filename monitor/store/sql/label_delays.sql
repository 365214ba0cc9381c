-- How long labels take.

-- name: label_delay_span
-- the newest whole days before $until that together hold $wanted independent labels: their start, and how many they hold
SELECT min(day), sum(held)
FROM (
    SELECT date_trunc('day', bucket) AS day, sum(coalesce(weight, n)) AS held,
           coalesce(sum(held) OVER (ORDER BY day DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS newer
    FROM cells
    WHERE model_id = $model_id AND n > 0 AND bucket >= $oldest AND bucket < $until
    GROUP BY day
)
WHERE newer < $wanted;

-- name: label_delays
-- every $every-th labelled sample of a span, by the hash of its group, or of time and score; of a group one member.
-- UBIGINT: else the remainder is one of 128 bits, 20 times as slow
SELECT s.score, s.positives::DOUBLE AS outcome,
       greatest(epoch(s.labelled_at) - epoch(s.observed_at), 0) AS delay,
       -- beyond the end of the bucket, which is judged label_maturity later
       greatest(epoch(s.labelled_at) - epoch(bucket_of(s.observed_at, $bucket_seconds, TIMESTAMP '1970-01-01'))
                - $bucket_seconds, 0) AS wait,
       s.stream_id
FROM samples AS s
WHERE s.model_id = $model_id AND s.observed_at >= $since AND s.observed_at < $until
  AND s.positives IS NOT NULL AND s.labelled_at IS NOT NULL AND s.n = 1
  AND CASE WHEN s.group_id IS NULL THEN hash(s.observed_at, s.score) ELSE hash(s.group_id) END % $every::UBIGINT = 0
QUALIFY s.group_id IS NULL OR row_number() OVER (PARTITION BY s.group_id ORDER BY hash(s.sample_id), s.sample_id, s.observed_at) = 1
ORDER BY s.observed_at, s.sample_id;
