-- of rows that become one the newest prediction counts, and the newest label that says something, as of files read in turn
INSERT INTO repeated_rows
WITH merged AS (
    SELECT *,
           last_value(file_id) OVER (
               PARTITION BY sample_id, observed_at ORDER BY row_key ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
           ) AS kept,
           last_value(label_file_id) OVER (
               PARTITION BY sample_id, observed_at ORDER BY positives IS NOT NULL, label IS NOT NULL, labelled_at NULLS FIRST, row_key
               ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
           ) AS kept_label
    FROM incoming SEMI JOIN renewal_several USING (sample_id, observed_at)
)
SELECT model_id, file_id, hash(sample_id, observed_at), false, observed_at::DATE
FROM merged WHERE file_id IS DISTINCT FROM kept AND file_id IS NOT NULL
UNION
SELECT model_id, label_file_id, hash(sample_id, observed_at), true, observed_at::DATE
FROM merged WHERE label_file_id IS DISTINCT FROM kept_label AND label_file_id IS NOT NULL
EXCEPT SELECT model_id, file_id, identity, labels, day FROM repeated_rows;

CREATE OR REPLACE TEMP TABLE incoming AS
WITH ranked AS (
    SELECT *, row_number() OVER (
        PARTITION BY sample_id, observed_at
        ORDER BY positives IS NOT NULL, label IS NOT NULL, labelled_at NULLS FIRST, row_key
    ) AS label_rank
    FROM incoming SEMI JOIN renewal_several USING (sample_id, observed_at)
),
one AS (
    SELECT
        max(row_key)                                                                    AS row_key,
        any_value(model_id)                                                             AS model_id,
        arg_max(stream_id, row_key)                                                     AS stream_id,
        arg_max(slice_id, row_key)                                                      AS slice_id,
        sample_id, observed_at,
        arg_max(score, row_key)                                                         AS score,
        arg_max(raw_score, row_key)                                                     AS raw_score,
        arg_max(n, row_key)                                                             AS n,
        arg_max(group_id, row_key)                                                      AS group_id,
        arg_max(predicted_class, row_key)                                               AS predicted_class,
        arg_max(logits, row_key)                                                        AS logits,
        arg_max_null(file_id, row_key)                                                  AS file_id,
        arg_max_null(labelled_at, label_rank)                                           AS labelled_at,
        arg_max_null(positives, label_rank)                                             AS positives,
        arg_max_null(label, label_rank)                                                 AS label,
        arg_max_null(label_file_id, label_rank)                                         AS label_file_id,
        bool_or(follows)                                                                AS follows
    FROM ranked
    GROUP BY sample_id, observed_at
)
SELECT * REPLACE (
    CASE WHEN follows AND $from_names AND positives IS NOT NULL AND label IS NOT NULL AND predicted_class IS NOT NULL
        THEN (label = predicted_class)::BIGINT ELSE positives END AS positives
)
FROM one
UNION ALL BY NAME
SELECT * FROM incoming ANTI JOIN renewal_several USING (sample_id, observed_at);
