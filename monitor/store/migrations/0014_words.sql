-- Words: alarms of drift evidence as they were told, which judging again does not take back; and how often jobs were
-- interrupted by the end of the process, which is no attempt of theirs.

CREATE TABLE told_alarms (
    model      VARCHAR   NOT NULL,
    rule       VARCHAR   NOT NULL,
    version    VARCHAR   NOT NULL,
    calibrator VARCHAR   NOT NULL,
    slice      VARCHAR   NOT NULL,
    bucket     TIMESTAMP NOT NULL,
    ratio      DOUBLE    NOT NULL,
    onset      TIMESTAMP NOT NULL,      -- the bucket the drift most likely began in
    samples    BIGINT    NOT NULL,      -- labelled since then, as known when it was told
    direction  VARCHAR   NOT NULL,
    explained  BOOLEAN   NOT NULL,
    told_at    TIMESTAMP,               -- NULL = before this was recorded
    superseded BOOLEAN   NOT NULL       -- the rule has changed since in what evidence means: no alert rests on it any more
);

-- what was told until now is what stands now: alerts that are open stay as they are
INSERT INTO told_alarms
SELECT model, rule, version, calibrator, slice, bucket, ratio, onset, samples, direction, explained, NULL, false
FROM evidence_alarms;

-- evidence that starts anew after told alarms alone, where it differs from `state`; NULL = the same
ALTER TABLE evidence_streams ADD COLUMN told BLOB;
ALTER TABLE evidence_checkpoints ADD COLUMN told BLOB;

ALTER TABLE jobs ADD COLUMN interruptions INTEGER DEFAULT 0;    -- in a row: attempts that ended with calwatch itself
