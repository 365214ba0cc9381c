-- slices with a firing alert that asked for a refit: one that was asked for since it fired, or that still waits or runs
SELECT DISTINCT a.slice
FROM alerts AS a
JOIN jobs AS j ON j.model = a.model AND j.kind = 'recalibrate' AND j.scope = a.slice
WHERE a.model = $model AND a.version = $version AND a.state = 'firing'
  AND (j.requested_at >= a.fired_at OR j.state IN ('queued', 'running'))
ORDER BY a.slice;
