-- predictions and labels that several files hold, under the numbers of those that the sample is not counted as. The rows of
-- this batch that are known name their file by their place; of those that stand in it more than once the others do too.
INSERT INTO repeated_rows
WITH met AS (
    SELECT e.sample_id, e.observed_at, number_of_file(e.said_at, NULL) AS own, e.predicts, e.labelled,
           e.file_id AS file_before, e.label_file_id AS label_before,
           CASE WHEN i.row_key IS NULL THEN e.file_id ELSE i.file_id END             AS file_now,
           CASE WHEN i.row_key IS NULL THEN e.label_file_id ELSE i.label_file_id END AS label_now
    FROM existing AS e
    LEFT JOIN incoming AS i ON i.row_key = e.row_key
    WHERE (e.predicts AND e.file_id IS DISTINCT FROM number_of_file(e.said_at, NULL))
       OR (e.labelled AND e.label_file_id IS DISTINCT FROM number_of_file(e.said_at, NULL))
),
among AS (
    SELECT s.sample_id, s.observed_at, number_of_file(s.position, s.file) AS own, s.score IS NOT NULL AS predicts, s.labelled,
           NULL::INTEGER AS file_before, NULL::INTEGER AS label_before, i.file_id AS file_now, i.label_file_id AS label_now
    FROM staged AS s
    JOIN repeated USING (sample_id, observed_at)
    JOIN (
        SELECT sample_id, observed_at, file_id, label_file_id FROM incoming
        UNION ALL
        SELECT sample_id, observed_at, file_id, label_file_id FROM existing
        WHERE row_key NOT IN (SELECT row_key FROM incoming WHERE row_key IS NOT NULL)
    ) AS i USING (sample_id, observed_at)
    WHERE s.reason IS NULL
),
both_say AS (FROM met UNION ALL FROM among)
SELECT $model_id, file_id, hash(sample_id, observed_at), labels, observed_at::DATE
FROM (
    SELECT sample_id, observed_at, own AS file_id, false AS labels FROM both_say
    WHERE predicts AND own IS DISTINCT FROM file_now
    UNION ALL
    SELECT sample_id, observed_at, own, true FROM both_say WHERE labelled AND own IS DISTINCT FROM label_now
    UNION ALL
    SELECT sample_id, observed_at, file_before, false FROM both_say
    WHERE file_before IS DISTINCT FROM file_now
    UNION ALL
    SELECT sample_id, observed_at, label_before, true FROM both_say
    WHERE label_before IS DISTINCT FROM label_now
)
WHERE file_id IS NOT NULL;
