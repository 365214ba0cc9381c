-- Jobs and their attempts.

-- name: job_attempt_insert
INSERT INTO job_log
VALUES ($job, $model, $attempt, $started_at, $finished_at, $seconds, $peak_memory, $outcome, $message, $output, $code, $facts);

-- name: jobs_elsewhere
SELECT 1
FROM jobs
WHERE model <> $model AND kind IN ('recalibrate', 'tune') AND state = 'queued'
  AND (next_attempt_at IS NULL OR next_attempt_at <= $now);
