-- How many groups (images, clips) the labelled samples of a slice come in, and what one is called: NULL where samples are
-- independent or some came before any group_id did, and of readings from before this column.

ALTER TABLE readings ADD COLUMN groups BIGINT;
ALTER TABLE readings ADD COLUMN group_noun VARCHAR;
ALTER TABLE newest_readings ADD COLUMN groups BIGINT;
ALTER TABLE newest_readings ADD COLUMN group_noun VARCHAR;
ALTER TABLE disparities ADD COLUMN groups BIGINT;
ALTER TABLE disparities ADD COLUMN group_noun VARCHAR;
