-- files of a batch (from 0) with a row that an earlier one has too, each with every such one that is the last before it to
-- have a row; labels come without the time of their prediction
WITH files AS (
    SELECT sample_id, CASE WHEN NOT $labels THEN observed_at END AS observed_at, (position >> 40) - 1 AS file
    FROM staged
    WHERE reason IS NULL
),
before AS (
    SELECT file, lag(file) OVER (PARTITION BY sample_id, observed_at ORDER BY file) AS earlier
    FROM files
)
SELECT DISTINCT file, earlier
FROM before
WHERE earlier < file
ORDER BY file, earlier;
