-- What a group that several calibrators of a version scored has as one of the version, beyond what it has with each.

ALTER TABLE group_cells ADD COLUMN across BOOLEAN DEFAULT false;
