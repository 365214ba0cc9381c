SELECT model, source, file, row, reason, record, quarantined_at
FROM quarantine
WHERE model = $model AND ($source IS NULL OR source = $source) AND ($reason IS NULL OR reason = $reason)
ORDER BY quarantined_at DESC, file, row
LIMIT $limit OFFSET $skip;
