-- Labels that come on their own: joined to predictions, parked, waiting.

-- name: ingest_labels_found
-- a label joins the newest prediction of its sample_id within the horizon before it
CREATE OR REPLACE TEMP TABLE labels_found AS
SELECT l.position, s.observed_at, s.n
FROM samples AS s
JOIN staged AS l ON s.sample_id = l.sample_id
WHERE l.reason IS NULL
  AND s.model_id = $model_id
  AND s.observed_at >= $first AND s.observed_at <= $last
  AND s.observed_at <= l.labelled_at
  AND s.observed_at >= l.labelled_at - to_seconds($horizon_seconds)
  AND (l.observed_at IS NULL OR l.observed_at = s.observed_at)
QUALIFY row_number() OVER (PARTITION BY l.position ORDER BY s.observed_at DESC) = 1;

-- name: labels_arrival
-- a label that says no time arrived when it was first seen: now, or when it was parked if its file is read again
UPDATE staged
SET labelled_at = coalesce(
    (SELECT min(p.labelled_at) FROM parked_labels AS p
     WHERE p.model_id = $model_id AND p.source = $source
       AND p.file = staged.file AND p.row = staged.row AND p.sample_id = staged.sample_id),
    $now)
WHERE labelled_at IS NULL AND reason IS NULL;

-- name: parked_stage
-- parked labels in the shape of `staged`
CREATE OR REPLACE TEMP TABLE parked AS
SELECT
    source,
    row_number() OVER () AS position, file, row,
    sample_id, observed_at, labelled_at, NULL::TIMESTAMP AS observed_other, NULL::TIMESTAMP AS labelled_other,
    NULL::DOUBLE AS score, NULL::DOUBLE AS raw_score, NULL::FLOAT[] AS logits,
    NULL::VARCHAR AS version, NULL::VARCHAR AS calibrator, NULL::VARCHAR AS group_id, NULL::VARCHAR AS predicted_class,
    label, 1::BIGINT AS n, positives, NULL::VARCHAR AS slice_key, false AS clipped, false AS minus,
    to_json({'sample_id': sample_id, 'labelled_at': labelled_at, 'outcome': positives, 'label': label})::VARCHAR AS record,
    NULL::VARCHAR AS reason
FROM parked_labels
WHERE model_id = $model_id;

-- name: waiting_label
-- a label whose word means "not labelled yet" waits for a label, not for a prediction
positives IS NOT NULL OR label IS NOT NULL AND NOT label_missing(label);

-- name: waiting_counted
SELECT count(DISTINCT hash(sample_id, observed_at)), min(labelled_at), max(labelled_at)
FROM parked_labels
WHERE model_id = $model_id AND source = $source AND (/*waiting_label*/);

-- name: waiting_newest
SELECT sample_id, max(labelled_at) AS labelled_at, max(observed_at)
FROM parked_labels
WHERE model_id = $model_id AND source = $source AND (/*waiting_label*/)
GROUP BY sample_id
ORDER BY labelled_at DESC, sample_id
LIMIT $most;

-- name: waiting_due
-- the newest $newest labels that wait though predictions observed after them have come: how many, the first and the last
SELECT count(DISTINCT hash(sample_id, observed_at)), min(labelled_at), max(labelled_at)
FROM (
    SELECT sample_id, observed_at, labelled_at
    FROM parked_labels
    WHERE model_id = $model_id AND source = $source
      AND (/*waiting_label*/)
      AND labelled_at <= (SELECT max(last_observed_at) FROM slices WHERE model_id = $model_id) - to_seconds($under_way)
    QUALIFY rank() OVER (ORDER BY labelled_at DESC) <= $newest
);

-- name: waiting_joined
-- labels of a span of time that found their prediction; not those known to be of another source
SELECT count(*)
FROM samples AS s
WHERE s.model_id = $model_id AND s.positives IS NOT NULL AND s.labelled_at >= $first AND s.labelled_at <= $last
  AND (s.label_file_id IS NULL
       OR s.label_file_id IN (SELECT file_id FROM files WHERE model_id = $model_id AND source = $source));

-- name: waiting_predictions
-- the newest predictions without a label, or with one ($labelled), of the newest whole days that together hold $most
SELECT s.sample_id, s.observed_at, s.group_id
FROM samples AS s
WHERE s.model_id = $model_id AND (s.positives IS NOT NULL) = $labelled
  AND s.observed_at >= (
      SELECT min(day)
      FROM (
          SELECT date_trunc('day', bucket) AS day, sum(CASE WHEN $labelled THEN n ELSE unlabelled END) AS held,
                 coalesce(sum(held) OVER (ORDER BY day DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS newer
          FROM cells
          WHERE model_id = $model_id AND CASE WHEN $labelled THEN n ELSE unlabelled END > 0
          GROUP BY day
      )
      WHERE newer < $most
  )
ORDER BY s.observed_at DESC, s.sample_id
LIMIT $most;

-- name: parked_stage_of_source
CREATE OR REPLACE TEMP TABLE staged AS
SELECT * EXCLUDE (source), positives IS NOT NULL OR NOT label_missing(label) AS labelled
FROM parked
WHERE source = $source;

-- name: labels_with_classes
SELECT count(*), count(DISTINCT predicted_class), min(coalesce(raw_score, score))
FROM samples
WHERE model_id = $model_id AND label IS NOT NULL AND predicted_class IS NOT NULL;

-- name: labels_join
UPDATE staged
SET observed_at = f.observed_at, reason = CASE WHEN positives > f.n THEN 'bad_count' END
FROM labels_found AS f
WHERE staged.position = f.position;

-- name: labels_past_horizon
-- labels that have waited longer than the horizon: their prediction is there and from before it, or never came
UPDATE staged
SET observed_at = coalesce(f.observed_at, staged.observed_at),
    reason = CASE WHEN f.observed_at IS NULL THEN 'no_prediction' ELSE 'label_too_late' END
FROM (
    SELECT l.position, max(s.observed_at) AS observed_at
    FROM staged AS l
    LEFT JOIN samples AS s
      ON s.sample_id = l.sample_id AND s.model_id = $model_id
     AND s.observed_at < l.labelled_at - to_seconds($horizon_seconds)
     AND (l.observed_at IS NULL OR l.observed_at = s.observed_at)
    WHERE l.reason IS NULL AND l.labelled_at < $too_old AND l.position NOT IN (SELECT position FROM labels_found)
    GROUP BY l.position
) AS f
WHERE staged.position = f.position;

-- name: labels_too_late
SELECT epoch(median(labelled_at - observed_at)), epoch(max(labelled_at - observed_at)), count(*)
FROM staged
WHERE reason = 'label_too_late';

-- name: parked_delete
DELETE FROM parked_labels
WHERE model_id = $model_id AND source = $source AND (file, row) IN (SELECT (file, row) FROM staged);

-- name: parked_insert
INSERT INTO parked_labels
SELECT $model_id, $source, file, row, sample_id, observed_at, labelled_at, positives, label
FROM staged
ANTI JOIN labels_found USING (position)
WHERE reason IS NULL;

-- name: labels_span
SELECT min(coalesce(observed_at, labelled_at - to_seconds($horizon_seconds))), max(labelled_at)
FROM staged
WHERE reason IS NULL;

-- name: class_words_seen
-- a time that is kept is renewed where it is older than a day: not with every batch
MERGE INTO class_words
USING (SELECT unnest($words) AS word, unnest($times) AS last_at) AS seen
ON class_words.model_id = $model_id AND class_words.word = seen.word
WHEN MATCHED AND class_words.last_observed_at + INTERVAL 1 DAY < seen.last_at THEN UPDATE SET last_observed_at = seen.last_at
WHEN NOT MATCHED THEN INSERT VALUES ($model_id, seen.word, seen.last_at);
