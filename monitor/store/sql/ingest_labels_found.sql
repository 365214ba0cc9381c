-- a label joins the newest prediction of its sample_id within the horizon before it
CREATE OR REPLACE TEMP TABLE labels_found AS
SELECT l.position, s.observed_at, s.n
FROM samples AS s
JOIN staged AS l ON s.sample_id = l.sample_id
WHERE l.reason IS NULL
  AND s.model_id = $model_id
  AND s.observed_at >= $first AND s.observed_at <= $last
  AND s.observed_at <= l.labelled_at
  AND s.observed_at >= l.labelled_at - to_seconds($horizon_seconds)
  AND (l.observed_at IS NULL OR l.observed_at = s.observed_at)
QUALIFY row_number() OVER (PARTITION BY l.position ORDER BY s.observed_at DESC) = 1;
