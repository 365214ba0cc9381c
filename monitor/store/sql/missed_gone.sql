-- those of `missed` that their file does not say (`still_said`; a label without a time speaks of its id at all times);
-- ``heir``: another file that does
CREATE OR REPLACE TEMP TABLE gone AS
SELECT m.row_key, m.file_id, r.heir
FROM missed AS m
ANTI JOIN still_said AS t ON t.file_id = m.file_id AND t.sample_id = m.sample_id AND t.observed_at = m.observed_at
ANTI JOIN (SELECT file_id, sample_id FROM still_said WHERE observed_at IS NULL) AS u
    ON u.file_id = m.file_id AND u.sample_id = m.sample_id
LEFT JOIN LATERAL (
    SELECT min(o.file_id) AS heir
    FROM repeated_rows AS o
    WHERE o.model_id = $model_id AND o.labels = $labels AND o.identity = hash(m.sample_id, m.observed_at)
      AND o.file_id <> m.file_id
) AS r ON true;
