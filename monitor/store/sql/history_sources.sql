-- each source: its newest pull, what is wrong with it now, and what it brought since $since
SELECT model, source, max(pulled_at) AS pulled_at, arg_max_null(problem, pulled_at) AS problem,
       sum(rows)::BIGINT AS rows, sum(new)::BIGINT AS new, sum(labelled)::BIGINT AS labelled,
       sum(duplicates)::BIGINT AS duplicates, sum(corrected)::BIGINT AS corrected, sum(quarantined)::BIGINT AS quarantined
FROM pulls
WHERE pulled_at > $since AND ($model IS NULL OR model = $model)
GROUP BY model, source
ORDER BY (arg_max_null(problem, pulled_at) IS NULL), model, source
LIMIT $limit;
