-- of a grouped model, the buckets and finest slices to recompute: those of the batch's rows and of the rows they replace
CREATE OR REPLACE TEMP TABLE touched AS
SELECT DISTINCT stream_id, slice_id, bucket_of(observed_at, $bucket_seconds, $folded_until) AS bucket
FROM (
    SELECT stream_id, slice_id, observed_at FROM incoming
    UNION ALL
    SELECT stream_id, slice_id, observed_at FROM replaced
);
