SELECT changed_at AS "at", rule, version, slice, severity, state, reason, onset
FROM alert_events
WHERE model = $model AND ($slice IS NULL OR slice = $slice) AND changed_at > $since AND changed_at <= $until
ORDER BY changed_at DESC, rule
LIMIT $limit;
