CREATE OR REPLACE TABLE snap.files_set_aside AS
SELECT model, source, item, tries, kind, reason, remedy, first_tried_at, last_tried_at
FROM files_set_aside WHERE set_aside;
