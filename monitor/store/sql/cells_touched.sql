-- cells to renew: by adding where rows are new or newly labelled, by recomputing where a labelled row was corrected
CREATE OR REPLACE TEMP TABLE touched AS
SELECT stream_id, slice_id, bucket, bool_or(recompute) AS recompute
FROM (
    SELECT stream_id, slice_id, bucket_of(observed_at, $bucket_seconds, $folded_until) AS bucket,
           corrects OR $grouped AS recompute
    FROM incoming
    UNION ALL
    SELECT e.stream_id, e.slice_id, bucket_of(e.observed_at, $bucket_seconds, $folded_until) AS bucket,
           i.corrects OR e.positives IS NOT NULL OR $grouped AS recompute
    FROM existing AS e JOIN incoming AS i ON e.row_key = i.row_key
)
GROUP BY stream_id, slice_id, bucket;
