SELECT model, source, pulled_at, files, rows, new, labelled, duplicates, corrected, quarantined, problem
FROM pulls
WHERE pulled_at > $since AND ($model IS NULL OR model = $model)
ORDER BY pulled_at DESC, model, source
LIMIT $limit OFFSET $skip;
