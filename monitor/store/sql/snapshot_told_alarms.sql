-- alarms as they were told; judging again does not take them back
CREATE OR REPLACE TABLE snap.told_alarms AS
SELECT a.* EXCLUDE (direction, explained, told_at),
       CASE WHEN NOT a.explained THEN 'not explained'
            WHEN a.direction = '' THEN 'no clear direction'
            ELSE a.direction END AS direction,
       a.told_at, l.labels
FROM told_alarms AS a
LEFT JOIN slice_labels AS l USING (slice);
