-- the newest whole days before $until that together hold $wanted independent labels: their start, and how many they hold
SELECT min(day), sum(held)
FROM (
    SELECT date_trunc('day', bucket) AS day, sum(coalesce(weight, n)) AS held,
           coalesce(sum(held) OVER (ORDER BY day DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS newer
    FROM cells
    WHERE model_id = $model_id AND n > 0 AND bucket >= $oldest AND bucket < $until
    GROUP BY day
)
WHERE newer < $wanted;
