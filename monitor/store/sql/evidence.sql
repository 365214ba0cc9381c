-- Streams of drift evidence, and the cells they weigh.

-- name: evidence_buckets
-- buckets of a span with labelled cells
SELECT DISTINCT bucket
FROM cells
WHERE model_id = $model_id AND n > 0 AND bucket >= $start AND bucket < $end
ORDER BY bucket;

-- name: evidence_cells
-- sums of labelled cells per stream (version and calibrator), finest slice, bucket and bin
SELECT c.stream_id, c.slice_id, c.bucket, c.bin,
       /*cell_sums*/, count(c.weight) > 0 AS grouped
FROM cells AS c
WHERE c.model_id = $model_id AND c.n > 0 AND c.bucket >= $first AND c.bucket <= $last
GROUP BY c.stream_id, c.slice_id, c.bucket, c.bin
ORDER BY c.stream_id, c.slice_id, c.bucket, c.bin;

-- name: evidence_sums
-- sums of labelled cells per stream (version and calibrator), finest slice, bucket and detector bin; $part: the detector
-- bin of each of the 192 fine bins
SELECT c.stream_id, c.slice_id, c.bucket, ($part)[c.bin % 192 + 1] AS part, sum(c.n)::DOUBLE AS samples,
       sum(coalesce(c.weight, c.n)) AS weight, sum(coalesce(c.weight_score, c.score)) AS score,
       sum(coalesce(c.weight_outcome, c.outcome)) AS outcome, count(c.weight) > 0 AS grouped
FROM cells AS c
WHERE c.model_id = $model_id AND c.n > 0 AND c.bucket >= $first AND c.bucket <= $last
GROUP BY ALL
ORDER BY ALL;

-- name: evidence_groups
-- labelled samples of the buckets $grouped by group, per stream, finest slice and detector bin ($part, as above) or fine bin:
-- `member` tells the groups of a bucket apart; it is 0 for samples alone in theirs. A row that counts several samples of no
-- named group is a group of its own
WITH rows AS (
    SELECT s.stream_id, s.slice_id, bucket_of(s.observed_at, $bucket_seconds, m.folded_until) AS bucket,
           ($part)[cell_bin(s.score) % 192 + 1] AS part, s.n, s.score * s.n AS score, s.positives,
           CASE WHEN s.group_id IS NULL THEN hash(0, s.sample_id, s.observed_at) ELSE hash(1, s.group_id, NULL) END AS member
    FROM samples AS s
    JOIN models AS m ON m.model_id = s.model_id
    WHERE s.model_id = $model_id AND s.positives IS NOT NULL AND s.observed_at >= $start AND s.observed_at < $beyond
), sums AS (
    SELECT stream_id, slice_id, bucket, part, member, sum(n) AS n, sum(score) AS score, sum(positives) AS outcome
    FROM rows
    WHERE list_contains($grouped, bucket)
    GROUP BY ALL
), sized AS (
    SELECT *, sum(n) OVER (PARTITION BY bucket, member) > 1 AS several
    FROM sums
)
SELECT stream_id, slice_id, bucket, part, CASE WHEN several THEN member ELSE 0 END AS member, sum(n)::DOUBLE AS n,
       sum(score)::DOUBLE AS score, sum(outcome)::DOUBLE AS outcome
FROM sized
GROUP BY ALL
ORDER BY ALL;

-- name: evidence_traffic
-- streams (version and calibrator) and finest slices with labelled cells in a span, from when to when
SELECT stream_id, slice_id, min(bucket) AS first, max(bucket) AS last
FROM cells
WHERE model_id = $model_id AND n > 0 AND bucket >= $start AND bucket < $end
GROUP BY stream_id, slice_id
ORDER BY stream_id, slice_id;

-- name: evidence_of_open_streams
-- a condition, for deleting what was said of streams that are still open
(version, calibrator, slice) IN (
    SELECT (version, calibrator, slice) FROM evidence_streams WHERE model = $model AND rule = $rule AND closed IS NULL
);

-- name: evidence_horizon
SELECT greatest(m.folded_until, (SELECT min(bucket) FROM cells WHERE model_id = $model_id)), m.changed_from,
       m.evidence_afresh
FROM models AS m
WHERE m.model_id = $model_id;

-- name: evidence_streams_open
SELECT version, calibrator, slice, rank, opened, state, reference, told, listed
FROM evidence_streams
WHERE model = $model AND rule = $rule AND closed IS NULL;

-- name: evidence_streams_closed
SELECT version, calibrator, slice, rank, opened, closed
FROM evidence_streams
WHERE model = $model AND rule = $rule AND closed IS NOT NULL;

-- name: evidence_checkpoint_day
SELECT coalesce(max(day) FILTER (day <= $changed), min(day))
FROM evidence_checkpoints
WHERE model = $model AND rule = $rule;

-- name: evidence_checkpoint
SELECT version, calibrator, slice, state, reference, told
FROM evidence_checkpoints
WHERE model = $model AND rule = $rule AND day = $day;

-- name: evidence_versions
SELECT DISTINCT s.version
FROM cells AS c
JOIN streams AS s USING (stream_id)
WHERE c.model_id = $model_id AND c.bucket >= $since;

-- name: evidence_scorers
SELECT DISTINCT s.version, s.calibrator
FROM cells AS c
JOIN streams AS s USING (stream_id)
WHERE c.model_id = $model_id AND c.bucket >= $since;

-- name: evidence_newest
SELECT version, calibrator, slice, max(bucket), arg_max(ratio, bucket)
FROM evidence
WHERE model = $model AND rule = $rule AND bucket >= $since
GROUP BY ALL;
