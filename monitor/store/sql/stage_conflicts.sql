-- rows of one file that say different things of one prediction; values that are absent say nothing, slice values that are
-- written in two ways say the same
CREATE OR REPLACE TEMP TABLE conflicts AS
SELECT file, sample_id, observed_at
FROM staged SEMI JOIN repeated USING (sample_id, observed_at)
WHERE reason IS NULL
GROUP BY file, sample_id, observed_at
HAVING count(*) > 1 AND (
    count(DISTINCT score) > 1 OR count(DISTINCT raw_score) > 1 OR count(DISTINCT logits) > 1
    OR count(DISTINCT version) > 1 OR count(DISTINCT predicted_class) > 1 OR count(DISTINCT n) > 1
    OR (count(DISTINCT slice_key) > 1 AND len(list_distinct(list_transform(
        list(DISTINCT slice_key), lambda key: list_transform(string_split(key, chr(31)), lambda value: coalesce(/*value*/, ''))
    ))) > 1));

UPDATE staged SET reason = 'conflicting_identity'
FROM conflicts AS c
WHERE staged.reason IS NULL AND staged.file = c.file AND staged.sample_id = c.sample_id AND staged.observed_at = c.observed_at;
