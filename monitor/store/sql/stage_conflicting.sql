-- slice values that are written in two ways say the same
DELETE FROM conflicts
WHERE NOT differ
  AND list_transform(string_split(one_slice, chr(31)), lambda value: coalesce(/*value*/, ''))
    = list_transform(string_split(other_slice, chr(31)), lambda value: coalesce(/*value*/, ''));

UPDATE staged SET reason = 'conflicting_identity'
FROM conflicts AS c
WHERE staged.reason IS NULL AND staged.file = c.file AND staged.sample_id = c.sample_id AND staged.observed_at = c.observed_at;
