-- samples of some days that say something else in the form that values have now, and what they say then
CREATE OR REPLACE TEMP TABLE renewed AS
WITH plain AS (
    SELECT s.rowid AS row_key, s.sample_id, s.observed_at, s.group_id, s.predicted_class, s.label, s.positives, s.slice_id, s.n,
        /*texts*/,
        /*observed_at*/ AS new_observed_at,
        coalesce(m.target, s.slice_id) AS new_slice_id,
        /*label_source*/ AS label_source
    FROM samples AS s
    LEFT JOIN moved_slices AS m ON m.slice_id = s.slice_id
    LEFT JOIN renewal_files AS f ON f.file_id = s.file_id
    LEFT JOIN renewal_files AS l ON l.file_id = s.label_file_id
    WHERE s.model_id = $model_id AND s.observed_at >= $first AND s.observed_at < $latest
),
followed AS (
    SELECT *, label IS NOT NULL AND n = 1 AND /*follows*/ AS follows
    FROM plain
    WHERE new_observed_at >= $first AND new_observed_at < $beyond
),
judged AS (
    SELECT *, (CASE WHEN follows THEN /*outcome*/ ELSE positives END)::BIGINT AS new_positives
    FROM followed
)
SELECT
    row_key, coalesce(new_sample_id, sample_id) AS sample_id, new_observed_at AS observed_at, new_group_id AS group_id,
    new_predicted_class AS predicted_class, new_label AS label, new_slice_id AS slice_id, new_positives AS positives, follows,
    new_positives IS DISTINCT FROM positives                                            AS judged,
    positives IS NOT NULL AND new_positives IS NULL                                     AS unlabelled,
    coalesce(new_sample_id, sample_id) <> sample_id OR new_observed_at <> observed_at   AS moved
FROM judged
WHERE coalesce(new_sample_id, sample_id) <> sample_id OR new_observed_at <> observed_at OR new_slice_id <> slice_id
   OR new_group_id IS DISTINCT FROM group_id OR new_predicted_class IS DISTINCT FROM predicted_class
   OR new_label IS DISTINCT FROM label OR new_positives IS DISTINCT FROM positives;
