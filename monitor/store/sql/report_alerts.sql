-- each time an alert fired in the period (or before it and was not over when it began), with its end
WITH told AS (
    SELECT *, lead(changed_at) OVER again AS ended_at, lead(state) OVER again AS then_state
    FROM alert_events
    WHERE model = $model AND state IN ('firing', 'resolved') AND changed_at <= $until
    WINDOW again AS (PARTITION BY version, rule, slice ORDER BY changed_at)
)
SELECT changed_at AS fired_at, CASE WHEN then_state = 'resolved' THEN ended_at END AS resolved_at,
       rule, severity, slice, version, onset, reason
FROM told
WHERE state = 'firing' AND (changed_at > $since OR coalesce(ended_at, $until) > $since)
ORDER BY changed_at DESC, rule, slice
