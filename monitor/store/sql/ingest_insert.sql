INSERT INTO samples BY NAME
SELECT model_id, stream_id, slice_id, sample_id, observed_at, labelled_at, score, raw_score, n, positives, group_id,
       predicted_class, label, logits, file_id, label_file_id
FROM incoming;
