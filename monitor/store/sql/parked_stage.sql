-- parked labels in the shape of `staged`; those past the horizon get their reason
CREATE OR REPLACE TEMP TABLE parked AS
SELECT
    source,
    row_number() OVER () AS position, file, row,
    sample_id, observed_at, labelled_at, NULL::TIMESTAMP AS observed_other, NULL::TIMESTAMP AS labelled_other,
    NULL::DOUBLE AS score, NULL::DOUBLE AS raw_score, NULL::FLOAT[] AS logits,
    NULL::VARCHAR AS version, NULL::VARCHAR AS calibrator, NULL::VARCHAR AS group_id, NULL::VARCHAR AS predicted_class,
    label, 1::BIGINT AS n, positives, NULL::VARCHAR AS slice_key, false AS clipped, false AS minus,
    to_json({'sample_id': sample_id, 'labelled_at': labelled_at, 'outcome': positives, 'label': label})::VARCHAR AS record,
    CASE WHEN labelled_at < $too_old THEN 'no_prediction' END AS reason
FROM parked_labels
WHERE model_id = $model_id;
