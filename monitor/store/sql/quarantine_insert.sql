-- every bad row with its place; of many alike in one batch, or file, only the first carry their text
INSERT INTO quarantine
SELECT $model, $source, file, row, reason,
       CASE WHEN row_number() OVER (PARTITION BY reason, CASE WHEN $by_file THEN file END ORDER BY file, row) <= $kept THEN record END, $now
FROM quarantine_news;
