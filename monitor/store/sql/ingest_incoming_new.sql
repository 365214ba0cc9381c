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
