-- Rows that could not be taken, files that are no longer read, and what pulls tell.

-- name: quarantine_insert
-- every bad row with its place; of many alike in one batch, or file, only the first carry their text
INSERT INTO quarantine
SELECT $model, $source, file, row, reason,
       CASE WHEN row_number() OVER (PARTITION BY reason, CASE WHEN $by_file THEN file END ORDER BY file, row) <= $kept
            THEN record END,
       $now
FROM quarantine_news;

-- name: quarantine_news
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

-- name: source_notes_prune
DELETE FROM source_notes
WHERE model = $model AND source = $source
  AND (noted_at < $oldest
       OR rowid NOT IN (SELECT rowid FROM source_notes WHERE model = $model AND source = $source
                        ORDER BY noted_at DESC, rowid DESC LIMIT $most));

-- name: set_aside_crashed
INSERT INTO files_set_aside
SELECT $model, $source, r.item, r.fingerprint, 0, 0, false, '', '', '', $now, $now, ''
FROM (SELECT unnest($items) AS item, unnest($fingerprints) AS fingerprint) AS r
WHERE r.item NOT IN (SELECT item FROM files_set_aside WHERE model = $model AND source = $source);

UPDATE files_set_aside
SET crashes = CASE WHEN $together THEN least(crashes + 1, greatest(crashes, $most)) ELSE greatest(crashes, $most) + 1 END,
    last_tried_at = $now
WHERE model = $model AND source = $source AND list_contains($items, item);

-- name: set_aside_files
SELECT model, source, item, tries, kind, reason, remedy, first_tried_at, last_tried_at
FROM files_set_aside
WHERE model = $model AND set_aside
ORDER BY source, item;

-- name: set_aside_release
UPDATE files_set_aside
SET tries = 0, crashes = 0, set_aside = false, tried_with = ''
WHERE model = $model AND ($source IS NULL OR source = $source)
  AND (item = $item OR ($item IS NULL AND (set_aside OR crashes > 0)));

-- name: set_aside_since
SELECT min(first_tried_at)
FROM files_set_aside
WHERE model = $model AND source = $source AND item = $item AND fingerprint = $fingerprint;

-- name: pull_unfinished
SELECT (SELECT max(read_at) FROM cursors WHERE model_id = $model_id)
       > coalesce((SELECT max(pulled_at) FROM pulls WHERE model = $model), TIMESTAMP '1970-01-01');
