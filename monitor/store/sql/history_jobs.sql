SELECT id, model, kind, trigger, scope, requested_at, state, onset, started_at, finished_at, reasons, details, attempts,
       next_attempt_at, codes, facts, trigger_kind, trigger_name, trigger_at, trigger_event, count(*) OVER () AS total
FROM jobs
WHERE ($model IS NULL OR model = $model) AND ($kind IS NULL OR kind = $kind) AND ($state IS NULL OR state = $state)
  AND ($id IS NULL OR id = $id)
ORDER BY requested_at DESC, id
LIMIT $limit OFFSET $skip;
