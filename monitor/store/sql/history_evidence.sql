-- of each equal span of time, the highest ratio of each stream
SELECT rule, version, calibrator, max(bucket) AS "at", sum(samples)::BIGINT AS samples, max(ratio) AS ratio
FROM evidence
WHERE model = $model AND slice = $slice AND bucket > $since AND bucket <= $until
GROUP BY rule, version, calibrator, ceil((epoch(bucket) - epoch($until::TIMESTAMP)) / $span)
ORDER BY max(bucket), rule, version, calibrator
LIMIT 4000;
