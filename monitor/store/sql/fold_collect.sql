CREATE OR REPLACE TEMP TABLE folded AS
SELECT model_id, stream_id, slice_id, date_trunc('day', bucket)::TIMESTAMP AS bucket, bin, sum(n), sum(unlabelled), sum(score),
       sum(outcome), sum(score_squared), sum(score_outcome), sum(log_loss), sum(lag),
       CASE WHEN count(weight) > 0 THEN sum(coalesce(weight, n)) END,
       CASE WHEN count(weight) > 0 THEN sum(coalesce(weight_score, score)) END,
       CASE WHEN count(weight) > 0 THEN sum(coalesce(weight_outcome, outcome)) END
FROM cells
WHERE model_id = $model_id AND bucket >= $since AND bucket < $until
GROUP BY model_id, stream_id, slice_id, date_trunc('day', bucket), bin;
