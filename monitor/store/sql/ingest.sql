-- Rows of one batch, from `staged` to `samples`.

-- name: ingest_candidates
-- rows of the store observed at a time of this batch: times read 10 times as fast as identities, and few rows share one.
-- Called once for each run of touched days, so that row groups are pruned.
CREATE OR REPLACE TEMP TABLE candidates AS
SELECT s.rowid AS row_key
FROM samples AS s
SEMI JOIN fresh AS f ON s.observed_at = f.observed_at
WHERE s.observed_at >= $first AND s.observed_at < $beyond;

-- name: ingest_day_runs
-- the days that `fresh` touches: the first of each run of days that follow one another, and the day after its last
SELECT min(day), max(day) + INTERVAL 1 DAY
FROM (SELECT day, day - INTERVAL 1 DAY * row_number() OVER (ORDER BY day) AS run
      FROM (SELECT DISTINCT date_trunc('day', observed_at)::TIMESTAMP AS day FROM fresh))
GROUP BY run
ORDER BY 1;

-- name: ingest_counts
SELECT i.new, i.labelled, i.corrects + d.differing, f.seen, i.incoming, d.differing, i.changed, i.clipped, i.late
FROM (
    SELECT
        count(*) FILTER (row_key IS NULL) AS new,
        count(*) FILTER (newly_labelled AND NOT corrects) AS labelled,
        count(*) FILTER (corrects) AS corrects,
        count(*) AS incoming,
        count(*) FILTER (changes_prediction) AS changed,
        count(*) FILTER (row_key IS NULL AND clipped) AS clipped,
        -- of days that are folded, which drift rules do not judge again
        count(*) FILTER (
            positives IS NOT NULL AND (row_key IS NULL OR newly_labelled OR corrects)
            AND observed_at < (SELECT folded_until FROM models WHERE model_id = $model_id)
        ) AS late
    FROM incoming
) AS i, (
    SELECT coalesce(sum(seen), 0) AS seen FROM fresh
) AS f, (
    SELECT count(*) AS differing FROM fresh SEMI JOIN incoming USING (sample_id, observed_at) WHERE differs
) AS d;

-- name: ingest_counts_by_file
-- as ingest_counts, by file: of a batch in which no identity stands in two
SELECT
    f.file,
    count(*) FILTER (i.sample_id IS NOT NULL AND i.row_key IS NULL),
    count(*) FILTER (i.newly_labelled AND NOT i.corrects),
    count(*) FILTER (i.corrects) + count(*) FILTER (i.sample_id IS NOT NULL AND f.differs),
    sum(f.seen) - count(i.sample_id) - count(*) FILTER (i.sample_id IS NOT NULL AND f.differs)
FROM fresh AS f
LEFT JOIN incoming AS i USING (sample_id, observed_at)
GROUP BY f.file;

-- name: ingest_delete_replaced
DELETE FROM samples
WHERE observed_at >= $first AND observed_at < $beyond AND rowid IN (SELECT row_key FROM replaced);

-- name: ingest_existing
-- Those of the candidates that have an identity of this batch, with where in the batch, and what is said there: a prediction, a
-- label. It is compared as a pair: of two columns DuckDB would push a
-- range each into the scan, and read the ids of all rows of these days to check it.
INSERT INTO existing
SELECT s.rowid AS row_key, f.position AS said_at, f.score IS NOT NULL AS predicts, f.labelled, s.*
FROM samples AS s
JOIN fresh AS f ON (s.sample_id, s.observed_at) = (f.sample_id, f.observed_at)
WHERE s.model_id = $model_id AND s.observed_at >= $first AND s.observed_at < $beyond
  AND s.rowid IN (SELECT row_key FROM candidates);

-- name: ingest_fresh_joined
-- a repeated identity becomes one row: the later value (by labelled_at, then by position) wins, but an absent value never
-- erases a present one, nor a label that is missing one that says something
CREATE OR REPLACE TEMP TABLE fresh_repeated AS
SELECT
    last(position ORDER BY labelled_at NULLS FIRST, position)                                                 AS position,
    last(file ORDER BY labelled_at NULLS FIRST, position)                                                     AS file,
    last(row ORDER BY labelled_at NULLS FIRST, position)                                                      AS row,
    sample_id,
    observed_at,
    last(labelled_at ORDER BY labelled_at NULLS FIRST, position) FILTER (labelled_at IS NOT NULL)             AS labelled_at,
    last(score ORDER BY labelled_at NULLS FIRST, position) FILTER (score IS NOT NULL)                         AS score,
    last(raw_score ORDER BY labelled_at NULLS FIRST, position) FILTER (raw_score IS NOT NULL)                 AS raw_score,
    bool_or(clipped)                                                                                          AS clipped,
    last(logits ORDER BY labelled_at NULLS FIRST, position) FILTER (logits IS NOT NULL)                       AS logits,
    last(version ORDER BY labelled_at NULLS FIRST, position) FILTER (version IS NOT NULL)                     AS version,
    last(calibrator ORDER BY labelled_at NULLS FIRST, position) FILTER (calibrator IS NOT NULL)               AS calibrator,
    last(group_id ORDER BY labelled_at NULLS FIRST, position) FILTER (group_id IS NOT NULL)                   AS group_id,
    last(predicted_class ORDER BY labelled_at NULLS FIRST, position) FILTER (predicted_class IS NOT NULL)     AS predicted_class,
    coalesce(
        last(label ORDER BY labelled_at NULLS FIRST, position) FILTER (label IS NOT NULL AND labelled),
        last(label ORDER BY labelled_at NULLS FIRST, position) FILTER (label IS NOT NULL))                    AS label,
    last(n ORDER BY labelled_at NULLS FIRST, position)                                                        AS n,
    last(positives ORDER BY labelled_at NULLS FIRST, position) FILTER (positives IS NOT NULL)                 AS positives,
    last(slice_key ORDER BY labelled_at NULLS FIRST, position) FILTER (slice_key IS NOT NULL)                 AS slice_key,
    bool_or(labelled)                                                                                         AS labelled,
    count(*)                                                                    AS seen,
    coalesce(min(score) <> max(score), false) OR coalesce(min(raw_score) <> max(raw_score), false)
        OR coalesce(min(predicted_class) <> max(predicted_class), false) OR coalesce(min(version) <> max(version), false)
        OR coalesce(min(slice_key) <> max(slice_key), false) OR coalesce(min(n) <> max(n), false) AS predicts_anew,
    predicts_anew OR coalesce(min(positives) <> max(positives), false)
        OR coalesce(min(label) FILTER (labelled) <> max(label) FILTER (labelled), false) AS differs
FROM staged SEMI JOIN repeated USING (sample_id, observed_at)
WHERE reason IS NULL
GROUP BY sample_id, observed_at;

CREATE OR REPLACE TEMP VIEW fresh AS
SELECT * EXCLUDE (reason, record, minus, observed_other, labelled_other), 1 AS seen, false AS differs, false AS predicts_anew
FROM staged ANTI JOIN repeated USING (sample_id, observed_at)
WHERE reason IS NULL
UNION ALL BY NAME
SELECT * FROM fresh_repeated;

-- name: ingest_fresh_single
CREATE OR REPLACE TEMP VIEW fresh AS
SELECT * EXCLUDE (reason, record, minus, observed_other, labelled_other), 1 AS seen, false AS differs, false AS predicts_anew
FROM staged
WHERE reason IS NULL;

-- name: ingest_incoming
-- what will be inserted: new rows, and known rows that this batch changes (absent values keep what is known)
CREATE OR REPLACE TEMP TABLE incoming AS
WITH joined AS (
    SELECT
        f.*,
        e.row_key,
        e.score AS old_score, e.positives AS old_positives, e.n AS old_n, e.slice_id AS old_slice_id,
        e.stream_id AS old_stream_id, e.raw_score AS old_raw_score, e.label AS old_label, e.group_id AS old_group_id,
        e.predicted_class AS old_predicted_class, e.logits AS old_logits, e.labelled_at AS old_labelled_at,
        e.file_id AS old_file_id, e.label_file_id AS old_label_file_id,
        coalesce(c.slice_id, e.slice_id)   AS slice_id,
        coalesce(t.stream_id, e.stream_id) AS stream_id,
        t.kept                             AS kept_version,
        o.version                          AS old_version,
        -- whoever was stored as one of the others, and has a place now, was predicted as it was
        e.slice_id IN (SELECT slice_id FROM slices WHERE list_contains(map_values(labels), '__other__')) AS was_other,
        number_of_file(f.position, f.file) AS own_file_id,
        -- a label that is missing takes the place of none
        CASE WHEN f.labelled THEN coalesce(f.label, e.label) ELSE coalesce(e.label, f.label) END AS known_label,
        coalesce(f.predicted_class, e.predicted_class) AS known_class
    FROM fresh AS f
    LEFT JOIN existing AS e ON e.sample_id = f.sample_id AND e.observed_at = f.observed_at
    LEFT JOIN slice_keys AS c ON c.slice_key = f.slice_key
    LEFT JOIN stream_keys AS t
        ON f.score IS NOT NULL AND t.version = coalesce(f.version, '') AND t.calibrator = coalesce(f.calibrator, '')
    LEFT JOIN streams AS o ON o.stream_id = e.stream_id
    -- a row labelled before what is known is an old row sent again: it takes nothing back
    WHERE NOT coalesce(f.labelled_at < e.labelled_at AND e.positives IS NOT NULL, false)
),
merged AS (
    SELECT
        row_key, sample_id, observed_at, slice_id, stream_id, clipped, predicts_anew,
        coalesce(score, old_score)         AS score,
        coalesce(raw_score, old_raw_score) AS raw_score,
        coalesce(logits, old_logits)       AS logits,
        coalesce(n, old_n, 1)              AS n,
        coalesce(group_id, old_group_id)   AS group_id,
        known_class                        AS predicted_class,
        known_label                        AS label,
        CASE
            WHEN positives IS NOT NULL THEN positives
            WHEN $from_names AND known_label IS NOT NULL AND known_class IS NOT NULL
                 AND (labelled OR old_positives IS NULL OR predicted_class <> old_predicted_class)
                 AND NOT label_missing(known_label)
                THEN (known_label = known_class)::BIGINT
            ELSE old_positives
        END                                AS positives,
        coalesce(labelled_at, CASE WHEN old_positives IS NOT NULL OR NOT labelled THEN old_labelled_at END, $now) AS labelled_at,
        labelled, own_file_id,
        old_score, old_positives, old_n, old_slice_id, old_stream_id, old_raw_score, old_label, old_group_id,
        old_predicted_class, old_logits, old_file_id, old_label_file_id,
        -- the same label said again later moves labelled_at, so that what was labelled in between stays the older;
        -- $now stands for a source that does not say when
        coalesce(old_positives IS NOT NULL AND labelled AND labelled_at > old_labelled_at AND labelled_at <> $now, false)
            AS confirmed,
        row_key IS NOT NULL AND score IS NOT NULL AND (
            coalesce(raw_score <> old_raw_score, false) OR ($own_scores AND score <> old_score)
            OR coalesce(logits <> old_logits, false) OR coalesce(slice_id <> old_slice_id AND NOT was_other, false)
            OR coalesce(kept_version <> old_version AND old_version <> '__other__', false)
            OR coalesce(predicted_class <> old_predicted_class, false) OR n <> old_n
        ) AS changes_prediction
    FROM joined
)
SELECT
    row_key,
    $model_id::USMALLINT                                        AS model_id,
    stream_id, slice_id, sample_id, observed_at,
    CASE WHEN positives IS NOT NULL OR label IS NOT NULL THEN labelled_at END AS labelled_at,
    score, raw_score, n, positives, group_id, predicted_class, label, logits,
    CASE WHEN row_key IS NULL OR changes_prediction THEN own_file_id ELSE old_file_id END AS file_id,
    CASE WHEN labelled THEN own_file_id ELSE old_label_file_id END AS label_file_id,
    own_file_id, clipped,
    changes_prediction OR predicts_anew                         AS changes_prediction,
    row_key IS NOT NULL AND old_positives IS NULL AND positives IS NOT NULL AS newly_labelled,
    row_key IS NOT NULL AND (old_positives IS NOT NULL OR score IS DISTINCT FROM old_score
        OR slice_id IS DISTINCT FROM old_slice_id OR stream_id IS DISTINCT FROM old_stream_id
        OR n IS DISTINCT FROM old_n)                            AS corrects
FROM merged
WHERE row_key IS NULL
   OR score IS DISTINCT FROM old_score OR positives IS DISTINCT FROM old_positives OR n IS DISTINCT FROM old_n
   OR slice_id IS DISTINCT FROM old_slice_id OR stream_id IS DISTINCT FROM old_stream_id
   OR raw_score IS DISTINCT FROM old_raw_score OR label IS DISTINCT FROM old_label
   OR group_id IS DISTINCT FROM old_group_id OR predicted_class IS DISTINCT FROM old_predicted_class
   OR logits IS DISTINCT FROM old_logits
   OR confirmed;

-- name: ingest_incoming_new
-- as ingest_incoming, of a batch none of whose rows is known: all are new
CREATE OR REPLACE TEMP TABLE incoming AS
SELECT
    NULL::BIGINT                                                AS row_key,
    $model_id::USMALLINT                                        AS model_id,
    t.stream_id, c.slice_id, f.sample_id, f.observed_at,
    CASE WHEN f.positives IS NOT NULL OR f.label IS NOT NULL THEN coalesce(f.labelled_at, $now) END AS labelled_at,
    f.score, f.raw_score, coalesce(f.n, 1)                      AS n,
    f.positives, f.group_id, f.predicted_class, f.label, f.logits,
    number_of_file(f.position, f.file)                          AS file_id,
    CASE WHEN f.labelled THEN number_of_file(f.position, f.file) END AS label_file_id,
    number_of_file(f.position, f.file)                          AS own_file_id,
    f.clipped,
    f.predicts_anew                                             AS changes_prediction,
    false                                                       AS newly_labelled,
    false                                                       AS corrects
FROM fresh AS f
JOIN slice_keys AS c ON c.slice_key = f.slice_key
JOIN stream_keys AS t ON t.version = coalesce(f.version, '') AND t.calibrator = coalesce(f.calibrator, '');

-- name: ingest_insert
INSERT INTO samples BY NAME
SELECT model_id, stream_id, slice_id, sample_id, observed_at, labelled_at, score, raw_score, n, positives, group_id,
       predicted_class, label, logits, file_id, label_file_id
FROM incoming;

-- name: ingest_last_seen
UPDATE slices
SET last_observed_at = greatest(coalesce(last_observed_at, seen.observed_at), seen.observed_at),
    last_labelled_at = CASE WHEN seen.labelled_at IS NULL THEN last_labelled_at
                            ELSE greatest(coalesce(last_labelled_at, seen.labelled_at), seen.labelled_at) END
FROM (SELECT slice_id, max(observed_at) AS observed_at, max(labelled_at) AS labelled_at FROM incoming GROUP BY slice_id)
    AS seen
WHERE slices.model_id = $model_id AND slices.slice_id = seen.slice_id;

-- name: ingest_lost
-- a row that is to come in under a slice or a stream that the model does not have
SELECT i.sample_id, i.slice_id, i.stream_id
FROM (SELECT slice_id, stream_id, any_value(sample_id) AS sample_id FROM incoming GROUP BY slice_id, stream_id) AS i
WHERE i.slice_id IS NULL OR i.stream_id IS NULL
   OR NOT EXISTS (FROM slices AS s WHERE s.slice_id = i.slice_id AND s.model_id = $model_id)
   OR NOT EXISTS (FROM streams AS t WHERE t.stream_id = i.stream_id AND t.model_id = $model_id)
LIMIT 1;

-- name: ingest_repeated
-- identities that stand more than once in the batch
CREATE OR REPLACE TEMP TABLE repeated AS
SELECT sample_id, observed_at
FROM staged
WHERE reason IS NULL
GROUP BY sample_id, observed_at
HAVING count(*) > 1;

-- name: ingest_replaced
-- rows of the store that give way to incoming ones: their sums are taken back
CREATE OR REPLACE TEMP TABLE replaced AS
SELECT e.* FROM existing AS e SEMI JOIN incoming AS i ON i.row_key = e.row_key;

-- name: ingest_rounds
-- of rows whose identity stands in several files of a batch: which of these files, from 0, they are of
CREATE OR REPLACE TEMP TABLE round_of AS
SELECT position, dense_rank() OVER (PARTITION BY sample_id, observed_at ORDER BY position >> 40) - 1 AS round
FROM staged SEMI JOIN repeated USING (sample_id, observed_at)
WHERE reason IS NULL
QUALIFY round > 0;

-- name: ingest_spoken_before
-- files of a batch (from 0) with a row that an earlier one has too, each with every such one that is the last before it to
-- have a row; labels come without the time of their prediction
WITH files AS (
    SELECT sample_id, CASE WHEN NOT $labels THEN observed_at END AS observed_at, (position >> 40) - 1 AS file
    FROM staged
    WHERE reason IS NULL
),
before AS (
    SELECT file, lag(file) OVER (PARTITION BY sample_id, observed_at ORDER BY file) AS earlier
    FROM files
)
SELECT DISTINCT file, earlier
FROM before
WHERE earlier < file
ORDER BY file, earlier;

-- name: near_repeats
-- new rows (some of them) beside rows of the same id less than a second away, one of the two with a time that is cut or
-- rounded to whole seconds, milliseconds or the coarser precision ($unit, in microseconds) of the batch and what was known
WITH probe AS (
    SELECT own_file_id, sample_id, observed_at, count(*) OVER (PARTITION BY own_file_id) AS among
        FROM (
        SELECT own_file_id, sample_id, observed_at FROM arrived
        WHERE $files::INTEGER[] IS NULL OR list_contains($files::INTEGER[], own_file_id)
        ORDER BY hash(sample_id) LIMIT $probed
    )
),
close_by AS (
    SELECT s.sample_id, s.observed_at
    FROM samples AS s
    WHERE s.model_id = $model_id AND s.observed_at >= $first AND s.observed_at <= $last
      -- nor does a file know what files after it brought
      AND (s.sample_id, s.observed_at) NOT IN (
          SELECT (sample_id, observed_at) FROM arrived WHERE list_contains($later::INTEGER[], own_file_id))
      AND epoch_us(s.observed_at) // 1000000 IN (
          SELECT epoch_us(observed_at) // 1000000 + step FROM probe, (VALUES (-1), (0), (1)) AS steps(step))
)
SELECT b.file, any_value(p.among), count(DISTINCT p.sample_id) FILTER (c.sample_id IS NOT NULL)
FROM probe AS p
JOIN file_numbers AS b ON b.file_id = p.own_file_id
LEFT JOIN close_by AS c
    ON c.sample_id = p.sample_id AND c.observed_at <> p.observed_at
    AND abs(epoch_us(c.observed_at) - epoch_us(p.observed_at)) < 1000000
    AND ((epoch_us(c.observed_at) % 1000000 = 0) <> (epoch_us(p.observed_at) % 1000000 = 0)
         OR (epoch_us(c.observed_at) % 1000 = 0) <> (epoch_us(p.observed_at) % 1000 = 0)
         OR (epoch_us(c.observed_at) % $unit = 0) <> (epoch_us(p.observed_at) % $unit = 0))
GROUP BY b.file;

-- name: ingest_existing_empty
CREATE OR REPLACE TEMP TABLE existing AS
SELECT s.rowid AS row_key, NULL::BIGINT AS said_at, false AS predicts, false AS labelled, s.*
FROM samples AS s
LIMIT 0;

-- name: near_span
SELECT min(observed_at), max(observed_at)
FROM arrived
WHERE $files::INTEGER[] IS NULL OR list_contains($files::INTEGER[], own_file_id);

-- name: near_in_batch
SELECT file
FROM staged
WHERE coalesce(reason, 'conflicting_identity') = 'conflicting_identity'
GROUP BY file
HAVING count(*) <> count(DISTINCT hash(sample_id, epoch_us(observed_at) // 1000000));

-- name: ingest_round_stage
CREATE OR REPLACE TEMP TABLE staged AS
SELECT s.*
FROM staged_of_all AS s
LEFT JOIN round_of AS r USING (position)
WHERE coalesce(r.round, 0) = $number
ORDER BY position;

-- name: ingest_span
SELECT min(observed_at), max(observed_at), bool_or(old)
FROM (SELECT observed_at, false AS old FROM incoming UNION ALL SELECT observed_at, true FROM replaced);

-- name: ingest_due
s.reason IS NULL AND s.calibrator IS NULL AND list_contains($covered, k.slice_id)
    AND s.observed_at >= $since AND s.observed_at < $until;

-- name: ingest_lacking_logits
-- all vectors of a stack have one length: that of the classes, or else the most frequent
UPDATE staged
SET reason = CASE WHEN lacking.length IS NULL THEN 'missing_logits' ELSE 'bad_logits' END
FROM (SELECT s.position, len(s.logits) AS length
      FROM staged AS s JOIN slice_keys AS k ON k.slice_key = s.slice_key
      WHERE /*ingest_due*/
      QUALIFY length IS DISTINCT FROM coalesce(nullif($classes, 0), mode(length) OVER ()) OR length = 0) AS lacking
WHERE staged.position = lacking.position;

-- name: ingest_uncalibrated
SELECT s.position, s.raw_score, s.logits
FROM staged AS s JOIN slice_keys AS k ON k.slice_key = s.slice_key
WHERE /*ingest_due*/;

-- name: ingest_calibrated
UPDATE staged
SET score = c.score, calibrator = $calibrator
FROM calibrated AS c
WHERE staged.position = c.position;
