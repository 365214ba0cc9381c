-- predictions and labels that several files hold, under the numbers of those that the sample is not counted as
INSERT INTO repeated_rows
WITH said AS (
    SELECT sample_id, observed_at, number_of_file(position, file) AS file_id, score IS NOT NULL AS predicts, labelled
    FROM staged
    WHERE reason IS NULL
      AND ((sample_id, observed_at) IN (SELECT (sample_id, observed_at) FROM existing)
           OR (sample_id, observed_at) IN (SELECT (sample_id, observed_at) FROM repeated))
),
claims AS (
    SELECT sample_id, observed_at, file_id, false AS labels FROM said WHERE predicts
    UNION SELECT sample_id, observed_at, file_id, true FROM said WHERE labelled
    UNION SELECT sample_id, observed_at, file_id, false FROM existing WHERE file_id IS NOT NULL
    UNION SELECT sample_id, observed_at, label_file_id, true FROM existing WHERE label_file_id IS NOT NULL
),
counted AS (
    SELECT sample_id, observed_at, file_id, label_file_id FROM incoming
    UNION ALL
    SELECT sample_id, observed_at, file_id, label_file_id FROM existing
    WHERE row_key NOT IN (SELECT row_key FROM incoming WHERE row_key IS NOT NULL)
)
SELECT $model_id, c.file_id, hash(c.sample_id, c.observed_at), c.labels, c.observed_at::DATE
FROM claims AS c
JOIN counted AS s USING (sample_id, observed_at)
WHERE c.file_id IS DISTINCT FROM CASE WHEN c.labels THEN s.label_file_id ELSE s.file_id END
EXCEPT
SELECT model_id, file_id, identity, labels, day
FROM repeated_rows
WHERE model_id = $model_id
  AND day >= (SELECT min(observed_at)::DATE FROM claims) AND day <= (SELECT max(observed_at)::DATE FROM claims);
