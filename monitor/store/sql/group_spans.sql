-- rows and groups, and those of groups that do not lie within one bucket or one day (UTC); the two longest groups
WITH spans AS (
    SELECT group_id, count(*) AS rows, min(epoch_us(observed_at)) AS first, max(epoch_us(observed_at)) AS last
    FROM grouped_rows
    GROUP BY group_id
)
SELECT coalesce(sum(rows), 0)::BIGINT, count(*),
       coalesce(sum(rows) FILTER (first // $bucket <> last // $bucket), 0)::BIGINT,
       coalesce(sum(rows) FILTER (first // $day <> last // $day), 0)::BIGINT,
       arg_max(struct_pack(group_id := group_id, rows := rows, seconds := (last - first) / 1000000),
               struct_pack(lasts := last - first, rows := rows, group_id := group_id), 2)
FROM spans;
