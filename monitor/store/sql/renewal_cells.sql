-- cells of slices that became one with another, of days whose samples are gone: they are added to those of that
CREATE OR REPLACE TEMP TABLE renewed AS
SELECT c.* REPLACE (m.target AS slice_id) FROM cells AS c JOIN moved_slices AS m USING (slice_id) WHERE c.model_id = $model_id;

DELETE FROM cells WHERE model_id = $model_id AND slice_id IN (SELECT slice_id FROM moved_slices);

INSERT INTO renewed
SELECT c.*
FROM cells AS c
SEMI JOIN renewed AS r ON r.stream_id = c.stream_id AND r.slice_id = c.slice_id AND r.bucket = c.bucket AND r.bin = c.bin
WHERE c.model_id = $model_id;

DELETE FROM cells USING renewed AS r
WHERE cells.model_id = $model_id AND cells.stream_id = r.stream_id AND cells.slice_id = r.slice_id AND cells.bucket = r.bucket
  AND cells.bin = r.bin;

INSERT INTO cells
SELECT model_id, stream_id, slice_id, bucket, bin, sum(n), sum(unlabelled), sum(score), sum(outcome), sum(score_squared),
       sum(score_outcome), sum(log_loss), sum(lag),
       CASE WHEN count(weight) > 0 THEN sum(coalesce(weight, n)) END,
       CASE WHEN count(weight) > 0 THEN sum(coalesce(weight_score, score)) END,
       CASE WHEN count(weight) > 0 THEN sum(coalesce(weight_outcome, outcome)) END
FROM renewed
GROUP BY model_id, stream_id, slice_id, bucket, bin;

UPDATE slices
SET last_observed_at = greatest(slices.last_observed_at, old.last_observed_at),
    last_labelled_at = greatest(slices.last_labelled_at, old.last_labelled_at)
FROM (SELECT m.target, max(s.last_observed_at) AS last_observed_at, max(s.last_labelled_at) AS last_labelled_at
      FROM slices AS s JOIN moved_slices AS m USING (slice_id) WHERE s.model_id = $model_id GROUP BY m.target) AS old
WHERE slices.model_id = $model_id AND slices.slice_id = old.target;
