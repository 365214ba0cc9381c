-- A batch in the shape of `staged`, and what its rows say by file.

-- name: review_files
-- each file's rows in numbers; a row that cannot be taken for another reason says nothing of its file
SELECT
    file,
    count(*),
    count(*) FILTER (reason = 'unreadable_time'),
    count(coalesce(raw_score, score)) FILTER (reason IS NULL OR reason IN ('score_outside_0_1', 'unknown_outcome')),
    count(*) FILTER (reason = 'score_outside_0_1' AND greatest(score, coalesce(raw_score, score)) > $percent
                     AND greatest(score, coalesce(raw_score, score)) <= 100),
    count(*) FILTER (reason IS NULL AND coalesce(raw_score, score) IS NOT NULL),
    count(*) FILTER (reason IS NULL AND greatest(score, coalesce(raw_score, score)) > $hundredth),
    count(*) FILTER (reason IS NULL AND predicted_class IS NOT NULL AND coalesce(raw_score, score) < $half),
    count(*) FILTER (reason IS NULL AND predicted_class IS NOT NULL AND coalesce(raw_score, score) IS NOT NULL),
    count(*) FILTER (minus),
    count(*) FILTER (reason IS NULL AND NOT minus AND positives > 0),
    count(*) FILTER (reason IS NULL AND NOT minus AND positives = 0),
    count(*) FILTER (label IS NOT NULL AND labelled AND positives IS NOT NULL),
    min(predicted_class) FILTER (reason IS NULL AND coalesce(raw_score, score) IS NOT NULL),
    max(predicted_class) FILTER (reason IS NULL AND coalesce(raw_score, score) IS NOT NULL),
    min(label) FILTER (reason = 'unknown_outcome'),
    max(label) FILTER (reason = 'unknown_outcome')
FROM staged
GROUP BY file
ORDER BY min(position);

-- name: stage_conflicting
-- slice values that are written in two ways say the same
DELETE FROM conflicts
WHERE NOT differ
  AND list_transform(string_split(one_slice, chr(31)), lambda value: coalesce(/*value*/, ''))
    = list_transform(string_split(other_slice, chr(31)), lambda value: coalesce(/*value*/, ''));

UPDATE staged SET reason = 'conflicting_identity'
FROM conflicts AS c
WHERE staged.reason IS NULL AND staged.file = c.file AND staged.sample_id = c.sample_id AND staged.observed_at = c.observed_at;

-- name: stage_conflicts
-- rows of one file that seem to say different things of one prediction; values that are absent say nothing
CREATE OR REPLACE TEMP TABLE conflicts AS
SELECT file, sample_id, observed_at, min(slice_key) AS one_slice, max(slice_key) AS other_slice,
       coalesce(min(score) <> max(score), false) OR coalesce(min(raw_score) <> max(raw_score), false)
       OR coalesce(min(logits) <> max(logits), false) OR coalesce(min(version) <> max(version), false)
       OR coalesce(min(predicted_class) <> max(predicted_class), false) OR min(n) <> max(n) AS differ
FROM staged SEMI JOIN repeated USING (sample_id, observed_at)
WHERE reason IS NULL
GROUP BY file, sample_id, observed_at
HAVING count(*) > 1 AND (differ OR coalesce(one_slice <> other_slice, false));

-- name: csv_rejects
SELECT file_path, line, line_byte_position AS at, trim(csv_line, chr(10) || chr(13)) AS text,
    CASE error_type WHEN 'LINE SIZE OVER MAXIMUM' THEN 'line_too_long' ELSE 'unreadable_line' END AS reason
FROM reject_errors
JOIN reject_scans USING (scan_id, file_id);

-- name: file_numbers_known
SELECT path, file_id
FROM files
WHERE model_id = $model_id AND source = $source AND path IN (SELECT unnest($files));

-- name: stage_rejects_skip
UPDATE staged SET row = staged.row + moved.lines
FROM (
    SELECT s.position, m.lines
    FROM staged AS s
    ASOF JOIN (
        SELECT file, rows_before, max(number) AS lines
        FROM (SELECT file, row - number + 1 AS rows_before, number
              FROM (SELECT file, row, row_number() OVER (PARTITION BY file ORDER BY row) AS number FROM rejected))
        GROUP BY file, rows_before
    ) AS m ON m.file = s.file AND m.rows_before <= s.row
) AS moved
WHERE staged.position = moved.position;

-- name: stage_rejects_insert
INSERT INTO staged BY NAME
SELECT -1 - row_number() OVER () AS position, file, row, reason, record FROM rejected;

-- name: stage_rejects
CREATE OR REPLACE TEMP TABLE rejected AS
SELECT _file AS file, _row AS row, min(_reason) AS reason, any_value(_unreadable) AS record FROM (/*rejects*/)
GROUP BY _file, _row;

-- name: stage_records
-- the text of bad rows, which are read again for it
UPDATE staged SET record = r.record
FROM (SELECT _position, /*record*/ AS record FROM (/*rows*/)) AS r
WHERE staged.position = r._position AND staged.reason IS NOT NULL AND staged.record IS NULL;

-- name: stage_rows
-- a batch's rows of one shape: `short` are its texts without what is enormous, `plain` the values that several columns are
-- made of, written once, since an expression of expressions takes longer to plan than a small batch to read; `typed` are
-- its columns as expressions, `own` all that it says, for the text of bad rows; `cases` give each row the first reason for
-- which it cannot be taken
SELECT * EXCLUDE (unreadable, conflicting, has_score, bad_raw_score, has_outcome, has_label, has_labelled_at, has_logits,
    has_count, has_positives, read_outcome, read_count, read_positives, own),
    coalesce(read_outcome = -1, false) AS minus, positives IS NOT NULL OR has_label AS labelled,
    /*record*/ AS record
FROM (
    SELECT *, CASE
        WHEN unreadable IS NOT NULL THEN 'unreadable_line'
        /*cases*/
        END AS reason
    FROM (
        SELECT *, CASE WHEN read_positives IS NOT NULL THEN read_positives WHEN read_outcome = -1 THEN 0 ELSE read_outcome END
            ::BIGINT AS positives
        FROM (
            SELECT _position AS position, _file AS file, _row AS row, /*unreadable*/ AS unreadable,
            /*conflicting*/ AS conflicting,
            /*typed*/,
            /*own*/ AS own
            FROM (SELECT */*plain*/ FROM (SELECT */*short*/ FROM (/*rows*/)))
        )
    )
);

-- name: stage_checks_samples
-- reasons for which a sample cannot be taken, the first of which is told; `staging.py` says how long texts may be
WHEN sample_id IS NULL THEN 'missing_sample_id'
WHEN strlen(sample_id) > 500 AND length(sample_id) > 500 THEN 'too_long'
WHEN strlen(label) > 120 AND length(label) > 120 THEN 'too_long'
WHEN strlen(group_id) > 500 AND length(group_id) > 500 THEN 'too_long'
WHEN strlen(predicted_class) > 120 AND length(predicted_class) > 120 THEN 'too_long'
WHEN observed_at IS NULL OR NOT isfinite(observed_at) THEN 'unreadable_time'
WHEN observed_at < TIMESTAMP '1970-01-01' THEN 'time_before_1970'
-- 0 in any zone: not set; taken, its label would have been there long before its prediction
WHEN positives IS NOT NULL AND labelled_at < TIMESTAMP '1970-01-02' THEN 'time_before_1970'
WHEN observed_at > /*latest*/ OR labelled_at > /*latest*/ THEN 'time_in_future'
WHEN has_labelled_at AND (labelled_at IS NULL OR NOT isfinite(labelled_at)) THEN 'unreadable_time'
WHEN observed_at < /*oldest*/ THEN 'older_than_retention'
WHEN NOT has_score THEN 'missing_score'
WHEN score IS NULL OR isnan(score) OR isnan(raw_score) OR bad_raw_score THEN 'score_not_a_number'
WHEN score < 0 OR score > 1 OR raw_score < 0 OR raw_score > 1 THEN 'score_outside_0_1'
WHEN has_outcome AND read_outcome IS NULL THEN 'unknown_outcome'
WHEN has_label AND positives IS NULL THEN 'unknown_outcome'
-- sums of millions of rows still fit BIGINT
WHEN has_count AND (read_count IS NULL OR n < 1 OR n > 1_000_000_000_000) THEN 'bad_count'
WHEN has_positives AND read_positives IS NULL THEN 'bad_count'
WHEN positives < 0 OR positives > n THEN 'bad_count'
WHEN n > 1 AND positives IS NOT NULL AND read_positives IS NULL THEN 'bad_count'
WHEN has_logits AND (logits IS NULL OR list_bool_or(list_transform(logits, lambda z: NOT coalesce(isfinite(z), false))))
    THEN 'bad_logits'
WHEN positives IS NOT NULL AND labelled_at - observed_at > to_seconds(/*horizon*/) THEN 'label_too_late'
WHEN conflicting THEN 'conflicting_identity';

-- name: stage_checks_labels
-- the same of a label that comes by itself
WHEN sample_id IS NULL THEN 'missing_sample_id'
WHEN strlen(sample_id) > 500 AND length(sample_id) > 500 THEN 'too_long'
WHEN strlen(label) > 120 AND length(label) > 120 THEN 'too_long'
WHEN has_labelled_at AND (labelled_at IS NULL OR NOT isfinite(labelled_at)) THEN 'unreadable_time'
WHEN labelled_at > /*latest*/ THEN 'time_in_future'
WHEN has_outcome AND read_outcome IS NULL THEN 'unknown_outcome'
-- names of classes are compared once their predictions are known
WHEN NOT /*compared*/ AND has_label AND positives IS NULL THEN 'unknown_outcome'
WHEN has_positives AND read_positives IS NULL OR positives < 0 THEN 'bad_count'
WHEN conflicting THEN 'conflicting_identity';

-- name: csv_rejects_listed
-- lines that made no row, and those that are too long, of which DuckDB may have told some
WITH told AS MATERIALIZED (/*told*/),
found (file_path, line, start, text) AS (VALUES /*values*/),
-- bytes are counted from 1, save behind CRLF
dropped AS (SELECT * FROM found AS f WHERE NOT EXISTS (
    SELECT 1 FROM told AS t WHERE t.file_path = f.file_path AND t.at BETWEEN f.start AND f.start + 1)),
listed AS (
    SELECT file_path, line, text, 'line_too_long' AS reason FROM found
    UNION ALL
    SELECT file_path, line + (SELECT count(*) FROM dropped AS d WHERE d.file_path = t.file_path AND d.start < t.at),
        text, reason
    FROM told AS t WHERE NOT EXISTS (
        SELECT 1 FROM found AS f WHERE t.file_path = f.file_path AND t.at BETWEEN f.start AND f.start + 1)
)
SELECT file_path AS _file, line - /*first*/ AS _row, text AS _unreadable, reason AS _reason FROM listed;
