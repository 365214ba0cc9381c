-- Versions and calibrators have places, at most max_versions of them within retention; what is beyond folds into __other__.

ALTER TABLE streams ADD COLUMN placed BOOLEAN DEFAULT true;     -- false = no sample of it is left: it has freed its place

CREATE TABLE folded_values (            -- what is beyond a limit, and therefore counted together or not judged
    model     VARCHAR   NOT NULL,
    kind      VARCHAR   NOT NULL,       -- version | calibrator | slice | drift
    name      VARCHAR   NOT NULL,       -- the slice dimension, or the drift rule; else ''
    most      BIGINT    NOT NULL,       -- the limit
    began_at  TIMESTAMP NOT NULL,
    newest_at TIMESTAMP NOT NULL,
    rows      BIGINT    NOT NULL,       -- that came so; of kind drift: versions that are not judged now
    examples  VARCHAR[] NOT NULL,
    finding   VARCHAR   NOT NULL        -- all of it in words
);

-- Texts of an earlier release that are too long end in their hash, as those that come from now on (lengths.py).
CREATE TEMP MACRO cut_version(told) AS left(told, 111) || '…' || left(sha256(told), 8);
UPDATE streams SET version = cut_version(version) WHERE length(version) > 120;
UPDATE streams SET calibrator = cut_version(calibrator) WHERE length(calibrator) > 120;
UPDATE readings SET version = cut_version(version) WHERE length(version) > 120;
UPDATE newest_readings SET version = cut_version(version) WHERE length(version) > 120;
UPDATE reliability SET version = cut_version(version) WHERE length(version) > 120;
UPDATE alerts SET version = cut_version(version) WHERE length(version) > 120;
UPDATE alert_events SET version = cut_version(version) WHERE length(version) > 120;
UPDATE disparities SET version = cut_version(version) WHERE length(version) > 120;
UPDATE guards SET version = cut_version(version) WHERE length(version) > 120;
UPDATE evidence SET version = cut_version(version) WHERE length(version) > 120;
UPDATE evidence SET calibrator = cut_version(calibrator) WHERE length(calibrator) > 120;
UPDATE evidence_streams SET version = cut_version(version) WHERE length(version) > 120;
UPDATE evidence_streams SET calibrator = cut_version(calibrator) WHERE length(calibrator) > 120;
UPDATE evidence_checkpoints SET version = cut_version(version) WHERE length(version) > 120;
UPDATE evidence_checkpoints SET calibrator = cut_version(calibrator) WHERE length(calibrator) > 120;
UPDATE evidence_alarms SET version = cut_version(version) WHERE length(version) > 120;
UPDATE evidence_alarms SET calibrator = cut_version(calibrator) WHERE length(calibrator) > 120;
DROP MACRO cut_version;

UPDATE quarantine SET record = left(record, 4000) WHERE length(record) > 4000;
