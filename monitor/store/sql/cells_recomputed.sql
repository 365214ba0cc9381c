-- the touched buckets of a grouped model from their samples; each sample weighs 1/m, with m the size of its group
CREATE OR REPLACE TEMP TABLE renewed AS
SELECT
    model_id, stream_id, slice_id, bucket, bin,
    coalesce(sum(n) FILTER (positives IS NOT NULL), 0)::BIGINT                          AS n,
    coalesce(sum(n) FILTER (positives IS NULL), 0)::BIGINT                              AS unlabelled,
    coalesce(sum(score * n) FILTER (positives IS NOT NULL), 0)                          AS score,
    coalesce(sum(positives), 0)::DOUBLE                                                 AS outcome,
    coalesce(sum(score * score * n) FILTER (positives IS NOT NULL), 0)                  AS score_squared,
    coalesce(sum(score * positives), 0)                                                 AS score_outcome,
    coalesce(sum(log_loss(score, n, positives)) FILTER (positives IS NOT NULL), 0)      AS log_loss,
    coalesce(sum(greatest(epoch(labelled_at) - epoch(observed_at), 0) * n) FILTER (positives IS NOT NULL), 0) AS lag,
    CASE WHEN bool_or(members > 1) THEN coalesce(sum(n / members) FILTER (positives IS NOT NULL), 0) END AS weight,
    CASE WHEN bool_or(members > 1) THEN coalesce(sum(score * n / members) FILTER (positives IS NOT NULL), 0) END
                                                                                        AS weight_score,
    CASE WHEN bool_or(members > 1) THEN coalesce(sum(positives / members), 0) END       AS weight_outcome
FROM (
    SELECT *,
           CASE WHEN group_id IS NULL THEN n ELSE sum(n) OVER (PARTITION BY stream_id, bucket, group_id) END AS members
    FROM (
        SELECT s.*, bucket_of(s.observed_at, $bucket_seconds, $folded_until) AS bucket, cell_bin(s.score) AS bin
        FROM samples AS s
        WHERE s.model_id = $model_id AND s.observed_at >= $first AND s.observed_at < $beyond
    ) AS s
    SEMI JOIN touched AS t
        ON t.stream_id = s.stream_id AND t.slice_id = s.slice_id AND t.bucket = s.bucket
)
GROUP BY model_id, stream_id, slice_id, bucket, bin;
