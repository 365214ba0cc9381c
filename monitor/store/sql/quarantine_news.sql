CREATE OR REPLACE TEMP TABLE quarantine_news AS
SELECT file, row, reason, left(any_value(record), 4000) AS record
FROM staged
WHERE reason IS NOT NULL
GROUP BY file, row, reason;

-- a file that is read again brings its bad rows again; one with other rows under the same name brings news
DELETE FROM quarantine_news AS n
USING quarantine AS q
WHERE q.model = $model AND q.source = $source AND q.file = n.file AND q.row = n.row AND q.reason = n.reason
  AND (q.record IS NULL OR q.record = n.record);
