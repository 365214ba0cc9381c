CREATE OR REPLACE TEMP TABLE quarantine_news AS
SELECT file, row, reason, any_value(record) AS record
FROM staged
WHERE reason IS NOT NULL
  AND (file, row, reason) NOT IN (
      SELECT (q.file, q.row, q.reason) FROM quarantine AS q WHERE q.model = $model AND q.source = $source)
GROUP BY file, row, reason;
