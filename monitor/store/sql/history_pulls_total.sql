SELECT count(*) AS total
FROM pulls
WHERE pulled_at > $since AND ($model IS NULL OR model = $model);
