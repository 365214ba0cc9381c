-- a day's samples in the form that values have now, and outcomes as they follow from labels now; of rows that become one the
-- labelled one stays, of several the one labelled last
CREATE OR REPLACE TEMP TABLE renewed_day AS
WITH plain AS (
    SELECT s.rowid AS row_key, s.*, /*texts*/, make_timestamp(epoch_us(s.observed_at) // $micros * $micros) AS new_observed_at
    FROM samples AS s
    WHERE s.model_id = $model_id AND s.observed_at >= $first AND s.observed_at < $beyond
),
judged AS (
    SELECT *,
           CASE WHEN /*derived*/ AND label IS NOT NULL AND n = 1 THEN
               CASE /*outcome*/ WHEN 1 THEN 1 WHEN 0 THEN 0 WHEN -1 THEN 0 END
           ELSE positives END::BIGINT AS new_positives
    FROM plain
)
SELECT *,
       new_positives IS DISTINCT FROM positives AS judged,
       coalesce(new_sample_id, sample_id) <> sample_id OR new_observed_at <> observed_at
           OR new_group_id IS DISTINCT FROM group_id OR new_predicted_class IS DISTINCT FROM predicted_class
           OR new_label IS DISTINCT FROM label OR new_positives IS DISTINCT FROM positives AS changed,
       row_number() OVER (
           PARTITION BY coalesce(new_sample_id, sample_id), new_observed_at
           ORDER BY new_positives IS NOT NULL DESC, labelled_at DESC NULLS LAST, row_key
       ) AS place
FROM judged;
