-- a repeated identity becomes one row: the later value wins, but an absent value never erases a present one
CREATE OR REPLACE TEMP TABLE fresh_repeated AS
SELECT
    max(position)                                                               AS position,
    arg_max(file, position)                                                     AS file,
    arg_max(row, position)                                                      AS row,
    sample_id,
    observed_at,
    arg_max(labelled_at, position) FILTER (labelled_at IS NOT NULL)             AS labelled_at,
    arg_max(score, position) FILTER (score IS NOT NULL)                         AS score,
    arg_max(raw_score, position) FILTER (raw_score IS NOT NULL)                 AS raw_score,
    arg_max(logits, position) FILTER (logits IS NOT NULL)                       AS logits,
    arg_max(version, position) FILTER (version IS NOT NULL)                     AS version,
    arg_max(calibrator, position) FILTER (calibrator IS NOT NULL)               AS calibrator,
    arg_max(group_id, position) FILTER (group_id IS NOT NULL)                   AS group_id,
    arg_max(predicted_class, position) FILTER (predicted_class IS NOT NULL)     AS predicted_class,
    arg_max(label, position) FILTER (label IS NOT NULL)                         AS label,
    arg_max(n, position)                                                        AS n,
    arg_max(positives, position) FILTER (positives IS NOT NULL)                 AS positives,
    arg_max(slice_key, position) FILTER (slice_key IS NOT NULL)                 AS slice_key,
    count(*)                                                                    AS seen,
    count(DISTINCT score) > 1 OR count(DISTINCT positives) > 1 OR count(DISTINCT label) > 1
        OR count(DISTINCT predicted_class) > 1 OR count(DISTINCT version) > 1 OR count(DISTINCT slice_key) > 1
        OR count(DISTINCT raw_score) > 1 OR count(DISTINCT n) > 1               AS differs
FROM staged SEMI JOIN repeated USING (sample_id, observed_at)
WHERE reason IS NULL
GROUP BY sample_id, observed_at;

CREATE OR REPLACE TEMP VIEW fresh AS
SELECT * EXCLUDE (reason, record), 1 AS seen, false AS differs
FROM staged ANTI JOIN repeated USING (sample_id, observed_at)
WHERE reason IS NULL
UNION ALL BY NAME
SELECT * FROM fresh_repeated;
