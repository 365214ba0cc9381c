SELECT count(*) AS total
FROM quarantine
WHERE model = $model AND ($source IS NULL OR source = $source) AND ($reason IS NULL OR reason = $reason);
