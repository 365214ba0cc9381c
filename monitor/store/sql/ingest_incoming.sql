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
