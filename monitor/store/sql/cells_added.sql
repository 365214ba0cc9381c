-- the batch's own sums; a row that was here before was here unlabelled (else its cell is recomputed)
CREATE OR REPLACE TEMP TABLE renewed AS
SELECT
    model_id, stream_id, slice_id, bucket, bin,
    sum(CASE WHEN positives IS NULL THEN 0 ELSE n END)::BIGINT                          AS n,
    sum(CASE WHEN positives IS NULL THEN n ELSE 0 END - was_unlabelled)::BIGINT         AS unlabelled,
    coalesce(sum(score * n) FILTER (positives IS NOT NULL), 0)                          AS score,
    coalesce(sum(positives), 0)::DOUBLE                                                 AS outcome,
    coalesce(sum(score * score * n) FILTER (positives IS NOT NULL), 0)                  AS score_squared,
    coalesce(sum(score * positives), 0)                                                 AS score_outcome,
    coalesce(sum(log_loss(score, n, positives)) FILTER (positives IS NOT NULL), 0)      AS log_loss,
    coalesce(sum(greatest(epoch(labelled_at) - epoch(observed_at), 0) * n) FILTER (positives IS NOT NULL), 0) AS lag,
    CASE WHEN bool_or(n > 1) THEN count(positives)::DOUBLE END                          AS weight,
    CASE WHEN bool_or(n > 1) THEN coalesce(sum(score) FILTER (positives IS NOT NULL), 0) END AS weight_score,
    CASE WHEN bool_or(n > 1) THEN coalesce(sum(positives / n), 0) END                   AS weight_outcome
FROM (
    SELECT i.*, bucket_of(observed_at, $bucket_seconds, $folded_until) AS bucket, cell_bin(score) AS bin,
           CASE WHEN row_key IS NOT NULL THEN n ELSE 0 END AS was_unlabelled
    FROM incoming AS i
) AS i
WHERE (stream_id, slice_id, bucket) NOT IN (SELECT (stream_id, slice_id, bucket) FROM touched WHERE recompute)
GROUP BY model_id, stream_id, slice_id, bucket, bin;
