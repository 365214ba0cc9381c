-- Files that were written anew: rows and labels that are no longer in them.

-- name: conflicting_rows
-- samples that an earlier version of a file brought, and that now stand in it twice with other predictions
CREATE OR REPLACE TEMP TABLE gone AS
SELECT s.rowid AS row_key, s.file_id, r.heir
FROM samples AS s
LEFT JOIN (
    SELECT identity, min(file_id) AS heir
    FROM repeated_rows
    WHERE model_id = $model_id AND NOT labels AND file_id NOT IN (SELECT file_id FROM file_numbers)
    GROUP BY identity
) AS r ON r.identity = hash(s.sample_id, s.observed_at)
WHERE s.model_id = $model_id
  AND s.observed_at IN (SELECT observed_at FROM staged WHERE reason = 'conflicting_identity')
  AND (s.sample_id, s.observed_at, s.file_id) IN (
      SELECT (c.sample_id, c.observed_at, b.file_id)
      FROM staged AS c JOIN file_numbers AS b ON b.file = c.file
      WHERE c.reason = 'conflicting_identity');

-- name: missed_gone
-- those of `missed` that their file does not say (`still_said`; a label without a time speaks of its id at all times);
-- ``heir``: another file that does
CREATE OR REPLACE TEMP TABLE gone AS
SELECT m.row_key, m.file_id, r.heir
FROM missed AS m
ANTI JOIN still_said AS t ON t.file_id = m.file_id AND t.sample_id = m.sample_id AND t.observed_at = m.observed_at
ANTI JOIN (SELECT file_id, sample_id FROM still_said WHERE observed_at IS NULL) AS u
    ON u.file_id = m.file_id AND u.sample_id = m.sample_id
LEFT JOIN LATERAL (
    SELECT min(o.file_id) AS heir
    FROM repeated_rows AS o
    WHERE o.model_id = $model_id AND o.labels = $labels AND o.identity = hash(m.sample_id, m.observed_at)
      AND o.file_id <> m.file_id
) AS r ON true;

-- name: missed_labels
-- samples whose label came from files that were written anew and is not met again there: a file of samples says so by a row
-- without its label, a file of labels by having no row
CREATE OR REPLACE TEMP TABLE missed AS
SELECT s.rowid AS row_key, s.sample_id, s.observed_at, s.label_file_id AS file_id
FROM samples AS s
WHERE s.model_id = $model_id AND list_contains($files, s.label_file_id) AND s.positives IS NOT NULL
  AND CASE WHEN $labels
      THEN s.rowid NOT IN (SELECT row_key FROM existing WHERE labelled AND number_of_file(said_at, NULL) = label_file_id)
      ELSE (s.sample_id, s.observed_at) IN (
          SELECT (sample_id, observed_at) FROM existing
          WHERE NOT labelled AND positives IS NOT NULL AND number_of_file(said_at, NULL) = label_file_id)
      END;

-- name: missed_rows
-- samples of files that were written anew which are not met again in their file, among them those that are new in it
CREATE OR REPLACE TEMP TABLE missed AS
SELECT s.rowid AS row_key, s.sample_id, s.observed_at, s.file_id
FROM samples AS s
WHERE s.model_id = $model_id AND list_contains($files, s.file_id)
  AND s.rowid NOT IN (SELECT row_key FROM existing WHERE number_of_file(said_at, NULL) = file_id);

-- name: repeated_rows_insert
-- predictions and labels that several files hold, under the numbers of those that the sample is not counted as. The rows of
-- this batch that are known name their file by their place; of those that stand in it more than once the others do too.
INSERT INTO repeated_rows
WITH met AS (
    SELECT e.sample_id, e.observed_at, number_of_file(e.said_at, NULL) AS own, e.predicts, e.labelled,
           e.file_id AS file_before, e.label_file_id AS label_before,
           CASE WHEN i.row_key IS NULL THEN e.file_id ELSE i.file_id END             AS file_now,
           CASE WHEN i.row_key IS NULL THEN e.label_file_id ELSE i.label_file_id END AS label_now
    FROM existing AS e
    LEFT JOIN incoming AS i ON i.row_key = e.row_key
    WHERE (e.predicts AND e.file_id IS DISTINCT FROM number_of_file(e.said_at, NULL))
       OR (e.labelled AND e.label_file_id IS DISTINCT FROM number_of_file(e.said_at, NULL))
),
among AS (
    SELECT s.sample_id, s.observed_at, number_of_file(s.position, s.file) AS own, s.score IS NOT NULL AS predicts, s.labelled,
           NULL::INTEGER AS file_before, NULL::INTEGER AS label_before, i.file_id AS file_now, i.label_file_id AS label_now
    FROM staged AS s
    JOIN repeated USING (sample_id, observed_at)
    JOIN (
        SELECT sample_id, observed_at, file_id, label_file_id FROM incoming
        UNION ALL
        SELECT sample_id, observed_at, file_id, label_file_id FROM existing
        WHERE row_key NOT IN (SELECT row_key FROM incoming WHERE row_key IS NOT NULL)
    ) AS i USING (sample_id, observed_at)
    WHERE s.reason IS NULL
),
both_say AS (FROM met UNION ALL FROM among)
SELECT $model_id, file_id, hash(sample_id, observed_at), labels, observed_at::DATE
FROM (
    SELECT sample_id, observed_at, own AS file_id, false AS labels FROM both_say
    WHERE predicts AND own IS DISTINCT FROM file_now
    UNION ALL
    SELECT sample_id, observed_at, own, true FROM both_say WHERE labelled AND own IS DISTINCT FROM label_now
    UNION ALL
    SELECT sample_id, observed_at, file_before, false FROM both_say
    WHERE file_before IS DISTINCT FROM file_now
    UNION ALL
    SELECT sample_id, observed_at, label_before, true FROM both_say
    WHERE label_before IS DISTINCT FROM label_now
)
WHERE file_id IS NOT NULL;

-- name: taken_back_quarantine
INSERT INTO quarantine
SELECT $model, $source, coalesce(f.path, 'a push'),
       row_number() OVER (PARTITION BY r.file_id ORDER BY r.observed_at, r.sample_id) - 1, 'taken_back',
       to_json({'sample_id': r.sample_id, 'observed_at': r.observed_at, 'score': r.score, 'outcome': r.positives,
                'label': r.label, 'predicted_class': r.predicted_class})::VARCHAR,
       $now
FROM replaced AS r
LEFT JOIN files AS f ON f.file_id = r.file_id;

-- name: taken_back_cursors_delete
DELETE FROM cursors
WHERE model_id = $model_id AND source = $source AND item IN (SELECT path FROM files WHERE list_contains($numbers, file_id));

-- name: withdrawn_rows
CREATE OR REPLACE TEMP TABLE replaced AS
SELECT s.rowid AS row_key, s.*
FROM samples AS s
WHERE s.rowid IN (SELECT row_key FROM gone WHERE heir IS NULL);

-- name: withdrawn_labels
CREATE OR REPLACE TEMP TABLE incoming AS
SELECT * REPLACE (NULL::BIGINT AS positives, NULL::VARCHAR AS label, NULL::TIMESTAMP AS labelled_at,
    NULL::INTEGER AS label_file_id)
FROM replaced;
