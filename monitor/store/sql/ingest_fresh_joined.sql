-- a repeated identity becomes one row: the later value (by labelled_at, then by position) wins, but an absent value never
-- erases a present one, nor a label that is missing one that says something
CREATE OR REPLACE TEMP TABLE fresh_repeated AS
SELECT
    last(position ORDER BY labelled_at NULLS FIRST, position)                                                 AS position,
    last(file ORDER BY labelled_at NULLS FIRST, position)                                                     AS file,
    last(row ORDER BY labelled_at NULLS FIRST, position)                                                      AS row,
    sample_id,
    observed_at,
    last(labelled_at ORDER BY labelled_at NULLS FIRST, position) FILTER (labelled_at IS NOT NULL)             AS labelled_at,
    last(score ORDER BY labelled_at NULLS FIRST, position) FILTER (score IS NOT NULL)                         AS score,
    last(raw_score ORDER BY labelled_at NULLS FIRST, position) FILTER (raw_score IS NOT NULL)                 AS raw_score,
    bool_or(clipped)                                                                                          AS clipped,
    last(logits ORDER BY labelled_at NULLS FIRST, position) FILTER (logits IS NOT NULL)                       AS logits,
    last(version ORDER BY labelled_at NULLS FIRST, position) FILTER (version IS NOT NULL)                     AS version,
    last(calibrator ORDER BY labelled_at NULLS FIRST, position) FILTER (calibrator IS NOT NULL)               AS calibrator,
    last(group_id ORDER BY labelled_at NULLS FIRST, position) FILTER (group_id IS NOT NULL)                   AS group_id,
    last(predicted_class ORDER BY labelled_at NULLS FIRST, position) FILTER (predicted_class IS NOT NULL)     AS predicted_class,
    coalesce(
        last(label ORDER BY labelled_at NULLS FIRST, position) FILTER (label IS NOT NULL AND labelled),
        last(label ORDER BY labelled_at NULLS FIRST, position) FILTER (label IS NOT NULL))                    AS label,
    last(n ORDER BY labelled_at NULLS FIRST, position)                                                        AS n,
    last(positives ORDER BY labelled_at NULLS FIRST, position) FILTER (positives IS NOT NULL)                 AS positives,
    last(slice_key ORDER BY labelled_at NULLS FIRST, position) FILTER (slice_key IS NOT NULL)                 AS slice_key,
    bool_or(labelled)                                                                                         AS labelled,
    count(*)                                                                    AS seen,
    coalesce(min(score) <> max(score), false) OR coalesce(min(raw_score) <> max(raw_score), false)
        OR coalesce(min(predicted_class) <> max(predicted_class), false) OR coalesce(min(version) <> max(version), false)
        OR coalesce(min(slice_key) <> max(slice_key), false) OR coalesce(min(n) <> max(n), false) AS predicts_anew,
    predicts_anew OR coalesce(min(positives) <> max(positives), false)
        OR coalesce(min(label) FILTER (labelled) <> max(label) FILTER (labelled), false) AS differs
FROM staged SEMI JOIN repeated USING (sample_id, observed_at)
WHERE reason IS NULL
GROUP BY sample_id, observed_at;

CREATE OR REPLACE TEMP VIEW fresh AS
SELECT * EXCLUDE (reason, record, minus, observed_other, labelled_other), 1 AS seen, false AS differs, false AS predicts_anew
FROM staged ANTI JOIN repeated USING (sample_id, observed_at)
WHERE reason IS NULL
UNION ALL BY NAME
SELECT * FROM fresh_repeated;
