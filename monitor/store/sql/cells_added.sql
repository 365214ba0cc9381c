-- the batch's own sums, less those of the rows it replaces: sums are additive, so no other sample need be read
CREATE OR REPLACE TEMP TABLE renewed AS
SELECT
    model_id, stream_id, slice_id, bucket, bin,
    coalesce(sum(sign * n) FILTER (positives IS NOT NULL), 0)::BIGINT                   AS n,
    coalesce(sum(sign * n) FILTER (positives IS NULL), 0)::BIGINT                       AS unlabelled,
    coalesce(sum(sign * score * n) FILTER (positives IS NOT NULL), 0)                   AS score,
    coalesce(sum(sign * positives), 0)::DOUBLE                                          AS outcome,
    coalesce(sum(sign * score * score * n) FILTER (positives IS NOT NULL), 0)           AS score_squared,
    coalesce(sum(sign * score * positives), 0)                                          AS score_outcome,
    coalesce(sum(sign * log_loss(score, n, positives)) FILTER (positives IS NOT NULL), 0) AS log_loss,
    coalesce(sum(sign * greatest(epoch(labelled_at) - epoch(observed_at), 0) * n) FILTER (positives IS NOT NULL), 0) AS lag,
    CASE WHEN bool_or(n > 1) THEN coalesce(sum(sign) FILTER (positives IS NOT NULL), 0)::DOUBLE END  AS weight,
    CASE WHEN bool_or(n > 1) THEN coalesce(sum(sign * score) FILTER (positives IS NOT NULL), 0) END AS weight_score,
    CASE WHEN bool_or(n > 1) THEN coalesce(sum(sign * positives / n), 0) END             AS weight_outcome
FROM (
    SELECT *, bucket_of(observed_at, $bucket_seconds, $folded_until) AS bucket, cell_bin(score) AS bin
    FROM (
        SELECT model_id, stream_id, slice_id, observed_at, labelled_at, score, n, positives, 1 AS sign FROM incoming
        UNION ALL
        SELECT model_id, stream_id, slice_id, observed_at, labelled_at, score, n, positives, -1
        FROM replaced
    )
) AS i
GROUP BY model_id, stream_id, slice_id, bucket, bin;
