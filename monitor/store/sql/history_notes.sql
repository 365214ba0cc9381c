-- what pulls told once since $since, the newest first
SELECT model, source, noted_at, message
FROM source_notes
WHERE noted_at > $since AND ($model IS NULL OR model = $model)
ORDER BY noted_at DESC, model, source, message
LIMIT $limit;
