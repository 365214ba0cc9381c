-- each time that clocks showed twice gets one reading; a later one that is ahead of now cannot be
CREATE OR REPLACE TEMP TABLE settled AS
SELECT f.position,
    CASE
        WHEN f.alone AND f.stored IS NOT NULL THEN f.stored
        WHEN f.later > $now THEN coalesce(f.stored, f.earlier)
        WHEN w.is_later IS NOT NULL THEN CASE WHEN w.is_later THEN f.later ELSE f.earlier END
        ELSE coalesce(f.stored, f.later)
    END                                                                         AS observed_at,
    f.stored IS NULL AND w.is_later IS NULL AND f.later <= $now                 AS guessed
FROM folded AS f LEFT JOIN walked AS w USING (position);
