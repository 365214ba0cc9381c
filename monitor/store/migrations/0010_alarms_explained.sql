-- Only the newest alarm of a stream is put into words. direction is '' where explained is false, which says nothing of
-- the direction, and where none is clear. Until now every alarm was explained.

ALTER TABLE evidence_alarms ADD COLUMN explained BOOLEAN DEFAULT true;
