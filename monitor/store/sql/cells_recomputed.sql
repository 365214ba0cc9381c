-- corrected buckets, and all buckets of grouped models, from the samples
INSERT INTO renewed
SELECT
    model_id, stream_id, slice_id, bucket, bin,
    sum(CASE WHEN positives IS NULL THEN 0 ELSE n END)::BIGINT,
    sum(CASE WHEN positives IS NULL THEN n ELSE 0 END)::BIGINT,
    coalesce(sum(score * n) FILTER (positives IS NOT NULL), 0),
    coalesce(sum(positives), 0)::DOUBLE,
    coalesce(sum(score * score * n) FILTER (positives IS NOT NULL), 0),
    coalesce(sum(score * positives), 0),
    coalesce(sum(log_loss(score, n, positives)) FILTER (positives IS NOT NULL), 0),
    coalesce(sum(greatest(epoch(labelled_at) - epoch(observed_at), 0) * n) FILTER (positives IS NOT NULL), 0),
    CASE WHEN bool_or(members > 1) THEN coalesce(sum(n / members) FILTER (positives IS NOT NULL), 0) END,
    CASE WHEN bool_or(members > 1) THEN coalesce(sum(score * n / members) FILTER (positives IS NOT NULL), 0) END,
    CASE WHEN bool_or(members > 1) THEN coalesce(sum(positives / members), 0) END
FROM (
    SELECT *,
           CASE WHEN group_id IS NULL THEN n ELSE sum(n) OVER (PARTITION BY stream_id, bucket, group_id) END AS members
    FROM (
        SELECT s.*, bucket_of(s.observed_at, $bucket_seconds, $folded_until) AS bucket, cell_bin(s.score) AS bin
        FROM samples AS s
        WHERE s.model_id = $model_id AND s.observed_at >= $first AND s.observed_at < $beyond
    ) AS s
    SEMI JOIN touched AS t
        ON t.stream_id = s.stream_id AND t.slice_id = s.slice_id AND t.bucket = s.bucket AND t.recompute
)
GROUP BY model_id, stream_id, slice_id, bucket, bin;
