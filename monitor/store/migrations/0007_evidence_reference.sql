-- The reference a stream is judged against when that is not perfect calibration, and the list of drifted slices.

ALTER TABLE evidence_streams ADD COLUMN reference BLOB;         -- gathered so far, or the band; NULL = the scores themselves
ALTER TABLE evidence_streams ADD COLUMN listed BOOLEAN DEFAULT false;   -- e-BH lists the slice as drifted at the newest look
ALTER TABLE evidence_checkpoints ADD COLUMN reference BLOB;
