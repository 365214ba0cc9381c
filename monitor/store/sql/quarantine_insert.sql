INSERT INTO quarantine
SELECT $model, $source, file, row, reason, left(record, 20000), $now
FROM quarantine_news
QUALIFY row_number() OVER (PARTITION BY reason ORDER BY file, row) <= $kept;
