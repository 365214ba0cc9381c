-- the newest predictions without a label, or with one ($labelled), of the newest whole days that together hold $most
SELECT s.sample_id, s.observed_at, s.group_id
FROM samples AS s
WHERE s.model_id = $model_id AND (s.positives IS NOT NULL) = $labelled
  AND s.observed_at >= (
      SELECT min(day)
      FROM (
          SELECT date_trunc('day', bucket) AS day, sum(CASE WHEN $labelled THEN n ELSE unlabelled END) AS held,
                 coalesce(sum(held) OVER (ORDER BY day DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS newer
          FROM cells
          WHERE model_id = $model_id AND CASE WHEN $labelled THEN n ELSE unlabelled END > 0
          GROUP BY day
      )
      WHERE newer < $most
  )
ORDER BY s.observed_at DESC, s.sample_id
LIMIT $most;
