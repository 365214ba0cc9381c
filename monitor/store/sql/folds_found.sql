-- rows of `staged` whose time clocks showed twice, with a number for each change of the clocks (days apart from the next)
CREATE OR REPLACE TEMP TABLE folded AS
SELECT position, file, row, sample_id, earlier, later, NULL::TIMESTAMP AS stored,
    sum(apart::INTEGER) OVER (ORDER BY earlier)                                     AS fold,
    count(*) OVER (PARTITION BY file, sample_id, earlier) = 1                       AS alone
FROM (
    SELECT position, file, row, sample_id, observed_at AS earlier, observed_other AS later,
        coalesce(observed_at - lag(observed_at) OVER (ORDER BY observed_at) > INTERVAL 12 HOURS, true) AS apart
    FROM staged
    WHERE reason IS NULL AND observed_other > observed_at
);
