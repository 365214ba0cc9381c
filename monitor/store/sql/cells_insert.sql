INSERT INTO cells
SELECT model_id, stream_id, slice_id, bucket, bin, sum(n), sum(unlabelled), sum(score), sum(outcome), sum(score_squared),
       sum(score_outcome), sum(log_loss), sum(lag),
       CASE WHEN count(weight) > 0 THEN sum(coalesce(weight, n)) END,
       CASE WHEN count(weight) > 0 THEN sum(coalesce(weight_score, score)) END,
       CASE WHEN count(weight) > 0 THEN sum(coalesce(weight_outcome, outcome)) END
FROM renewed
GROUP BY model_id, stream_id, slice_id, bucket, bin
HAVING sum(n) <> 0 OR sum(unlabelled) <> 0;
