-- rows of a renewed day that give way, and those that take their place
CREATE OR REPLACE TEMP TABLE replaced AS
SELECT row_key, model_id, stream_id, slice_id, sample_id, observed_at, labelled_at, score, raw_score, n, positives, group_id,
       predicted_class, label, logits, file_id, label_file_id
FROM renewed_day WHERE changed OR place > 1;

CREATE OR REPLACE TEMP TABLE incoming AS
SELECT row_key, model_id, stream_id, slice_id, coalesce(new_sample_id, sample_id) AS sample_id,
       new_observed_at AS observed_at, labelled_at, score, raw_score, n, new_positives AS positives, new_group_id AS group_id,
       new_predicted_class AS predicted_class, new_label AS label, logits, file_id, label_file_id, judged
FROM renewed_day WHERE changed AND place = 1;
