SELECT attempt, started_at, finished_at, seconds, peak_memory, outcome, message, output
FROM job_log
WHERE job = $id
ORDER BY started_at, attempt
LIMIT 200;
