-- rows of renewed days that give way, and those that take their place
CREATE OR REPLACE TEMP TABLE replaced AS
SELECT s.rowid AS row_key, s.*
FROM samples AS s
WHERE s.model_id = $model_id AND s.observed_at >= $first AND s.observed_at < $latest
  AND s.rowid IN (SELECT row_key FROM renewed);

CREATE OR REPLACE TEMP TABLE incoming AS
SELECT r.* REPLACE (
        w.sample_id AS sample_id, w.observed_at AS observed_at, w.group_id AS group_id, w.predicted_class AS predicted_class,
        w.label AS label, w.slice_id AS slice_id, w.positives AS positives,
        -- an outcome that was none has come now, where nothing says when its label did
        CASE WHEN w.positives IS NOT NULL THEN coalesce(r.labelled_at, $now) ELSE r.labelled_at END AS labelled_at
    ),
    w.follows
FROM replaced AS r
JOIN renewed AS w USING (row_key);
