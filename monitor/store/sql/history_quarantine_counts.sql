SELECT model, source, reason, count(*) AS rows, max(quarantined_at) AS newest_at
FROM quarantine
WHERE $model IS NULL OR model = $model
GROUP BY model, source, reason
ORDER BY newest_at DESC, model, source, reason
LIMIT $limit;
