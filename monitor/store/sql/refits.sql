-- Samples that refits and thresholds are made from.

-- name: labelled_rows
-- rows `s` with a label, of a version and of finest slices, observed in [$start, $end), beside their streams `t`
FROM samples AS s
JOIN streams AS t ON t.stream_id = s.stream_id
WHERE s.model_id = $model_id AND t.version = $version AND list_contains($covered, s.slice_id)
  AND s.observed_at >= $start AND s.observed_at < $end AND s.positives IS NOT NULL;

-- name: deployed_cells
-- labelled sums per calibrator that scored the samples, for the precision and recall of its thresholds
WITH own AS (
    SELECT stream_id, calibrator, min(stream_id) OVER (PARTITION BY version) AS version_key
    FROM streams
    WHERE model_id = $model_id
)
SELECT own.version_key, own.calibrator, c.slice_id, c.bin, sum(c.n)::DOUBLE AS n, sum(c.outcome) AS outcome,
       sum(c.score) AS score
FROM cells AS c
JOIN own ON own.stream_id = c.stream_id
WHERE c.model_id = $model_id AND c.bucket >= $start AND c.bucket < $end
  AND list_contains($calibrators, own.calibrator) AND c.n > 0
GROUP BY own.version_key, own.calibrator, c.slice_id, c.bin
ORDER BY own.version_key, own.calibrator, c.slice_id, c.bin;

-- name: refit_alarmed
-- slices with a firing alert that asked for a refit: one that was asked for since it fired, or that still waits or runs
SELECT DISTINCT a.slice
FROM alerts AS a
JOIN jobs AS j ON j.model = a.model AND j.kind = 'recalibrate' AND j.scope = a.slice
WHERE a.model = $model AND a.version = $version AND a.state = 'firing'
  AND (j.requested_at >= a.fired_at OR j.state IN ('queued', 'running'))
ORDER BY a.slice;

-- name: refit_counts
-- labelled rows: those a refit can take, those it cannot, and the time of the oldest
SELECT count(*) FILTER (s.raw_score IS NOT NULL OR t.calibrator = ''),
       count(*) FILTER (s.raw_score IS NULL AND t.calibrator <> ''),
       min(s.observed_at)
/*labelled_rows*/;

-- name: refit_cut
-- the last of the parts that together hold no more rows than asked for (-1: the first is too large already), and whether
-- there is one beyond
SELECT coalesce(max(part) FILTER (together <= $max_samples), -1), coalesce(max(together) > $max_samples, false)
FROM (SELECT part, sum(count(*)) OVER (ORDER BY part) AS together FROM parts GROUP BY part);

-- name: refit_parts
-- Groups fall into 65,536 parts by their hash alone: the rows a refit can take, of the parts up to $last.
CREATE OR REPLACE TEMP TABLE parts AS
SELECT s.rowid AS row_key, (hash(coalesce(s.group_id, s.sample_id)) >> 48)::USMALLINT AS part
/*labelled_rows*/
  AND (s.raw_score IS NOT NULL OR t.calibrator = '')
  AND hash(coalesce(s.group_id, s.sample_id)) >> 48 <= $last::UBIGINT;

-- name: refit_samples
-- labelled rows with a score from before any calibration; to be continued by a choice among them, and an order
SELECT epoch(s.observed_at) AS observed_at, s.slice_id, s.n, s.positives, s.label, s.logits, s.group_id, s.predicted_class,
       coalesce(s.raw_score, CASE WHEN t.calibrator = '' THEN s.score END) AS raw_score
/*labelled_rows*/
  AND (s.raw_score IS NOT NULL OR t.calibrator = '')

-- name: refit_unlike_cells
-- a labelled row whose cells tell less than the row, or another score; as a condition this reads half of what counting does
SELECT 1
/*labelled_rows*/
  AND (t.calibrator <> '' OR s.raw_score <> s.score OR s.group_id IS NOT NULL OR s.logits IS NOT NULL OR s.n > 1)
LIMIT 1;

-- name: demo_scores
SELECT raw_score, positives
FROM samples
WHERE positives IS NOT NULL AND observed_at >= $start AND observed_at < $end;

-- name: refit_version
SELECT version
FROM streams
WHERE model_id = $model_id
GROUP BY version
ORDER BY version = '__other__', min(first_seen_at) DESC, max(stream_id) DESC
LIMIT 1;

-- name: refit_logits_length
SELECT len(s.logits)
/*labelled_rows*/ AND s.logits IS NOT NULL
LIMIT 1;
