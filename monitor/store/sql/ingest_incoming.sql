-- what will be inserted: new rows, and known rows that this batch changes (absent values keep what is known)
CREATE OR REPLACE TEMP TABLE incoming AS
WITH merged AS (
    SELECT
        e.row_key,
        f.sample_id,
        f.observed_at,
        coalesce(f.score, e.score)                     AS score,
        coalesce(f.raw_score, e.raw_score)             AS raw_score,
        coalesce(f.logits, e.logits)                   AS logits,
        coalesce(f.n, e.n, 1)                          AS n,
        coalesce(f.group_id, e.group_id)               AS group_id,
        coalesce(f.predicted_class, e.predicted_class) AS predicted_class,
        coalesce(f.label, e.label)                     AS label,
        CASE
            WHEN f.positives IS NOT NULL THEN f.positives
            WHEN coalesce(f.label, e.label) IS NOT NULL AND coalesce(f.predicted_class, e.predicted_class) IS NOT NULL
                 AND (f.label IS NOT NULL OR e.positives IS NULL OR f.predicted_class <> e.predicted_class)
                THEN (coalesce(f.label, e.label) = coalesce(f.predicted_class, e.predicted_class))::BIGINT
            ELSE e.positives
        END                                            AS positives,
        coalesce(f.labelled_at, e.labelled_at, $now)   AS labelled_at,
        coalesce(c.slice_id, e.slice_id)               AS slice_id,
        coalesce(t.stream_id, e.stream_id)             AS stream_id,
        e.score AS old_score, e.positives AS old_positives, e.n AS old_n, e.slice_id AS old_slice_id,
        e.stream_id AS old_stream_id, e.raw_score AS old_raw_score, e.label AS old_label, e.group_id AS old_group_id,
        e.predicted_class AS old_predicted_class, e.logits AS old_logits,
        -- the same label said again later moves labelled_at, so that what was labelled in between stays the older;
        -- $now stands for a source that does not say when
        coalesce(e.positives IS NOT NULL AND (f.positives IS NOT NULL OR f.label IS NOT NULL)
                 AND f.labelled_at > e.labelled_at AND f.labelled_at <> $now, false) AS confirmed
    FROM fresh AS f
    LEFT JOIN existing AS e ON e.sample_id = f.sample_id AND e.observed_at = f.observed_at
    LEFT JOIN slice_keys AS c ON c.slice_key = f.slice_key
    LEFT JOIN stream_keys AS t
        ON f.score IS NOT NULL AND t.version = coalesce(f.version, '') AND t.calibrator = coalesce(f.calibrator, '')
    -- a row labelled before what is known is an old row sent again: it takes nothing back
    WHERE NOT coalesce(f.labelled_at < e.labelled_at AND e.positives IS NOT NULL, false)
)
SELECT
    row_key,
    $model_id::USMALLINT                                        AS model_id,
    stream_id, slice_id, sample_id, observed_at,
    CASE WHEN positives IS NOT NULL THEN labelled_at END        AS labelled_at,
    score, raw_score, n, positives, group_id, predicted_class, label, logits,
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
