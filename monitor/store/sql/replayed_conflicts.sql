-- of a file that is replayed row by row: rows that say something else than one of it that came before
UPDATE staged SET
    reason = 'conflicting_identity',
    record = to_json({'sample_id': staged.sample_id, 'observed_at': staged.observed_at, 'score': staged.score})::VARCHAR
FROM samples AS s, file_numbers AS b, slice_keys AS k
WHERE staged.reason IS NULL AND s.model_id = $model_id
  AND s.observed_at >= (SELECT min(observed_at) FROM staged WHERE reason IS NULL)
  AND s.observed_at <= (SELECT max(observed_at) FROM staged WHERE reason IS NULL)
  AND s.sample_id = staged.sample_id AND s.observed_at = staged.observed_at
  AND b.file = staged.file AND s.file_id = b.file_id AND k.slice_key = staged.slice_key
  AND (($own_scores AND s.score <> staged.score) OR coalesce(s.raw_score <> staged.raw_score, false)
       OR coalesce(s.logits <> staged.logits, false) OR s.slice_id <> k.slice_id OR s.n <> staged.n
       OR coalesce(s.predicted_class <> staged.predicted_class, false));
