-- every bad row with its place; of many alike in one pull only the first carry their text
INSERT INTO quarantine
SELECT $model, $source, file, row, reason,
       CASE WHEN row_number() OVER (PARTITION BY reason ORDER BY file, row) <= $kept THEN record END, $now
FROM quarantine_news;
