-- Drift evidence: one stream per drift rule, model version, calibrator in use and slice. All buckets are UTC.

ALTER TABLE models ADD COLUMN changed_from TIMESTAMP;   -- earliest bucket whose cells changed since evidence last looked

CREATE TABLE evidence_streams (
    model      VARCHAR   NOT NULL,
    rule       VARCHAR   NOT NULL,
    version    VARCHAR   NOT NULL,
    calibrator VARCHAR   NOT NULL,      -- '' = none
    slice      VARCHAR   NOT NULL,
    rank       INTEGER   NOT NULL,      -- among open streams of its order, for its share of the false-alarm budget
    opened     TIMESTAMP NOT NULL,      -- first bucket judged
    closed     TIMESTAMP,               -- a newer calibrator or version took over; NULL = open
    state      BLOB                     -- evidence after the last judged bucket
);

CREATE TABLE evidence_checkpoints (     -- evidence before the first bucket of a day, to start again from
    model      VARCHAR   NOT NULL,
    rule       VARCHAR   NOT NULL,
    version    VARCHAR   NOT NULL,
    calibrator VARCHAR   NOT NULL,
    slice      VARCHAR   NOT NULL,
    day        TIMESTAMP NOT NULL,
    state      BLOB      NOT NULL
);

CREATE TABLE evidence_reach (           -- how far each rule has judged
    model VARCHAR   NOT NULL,
    rule  VARCHAR   NOT NULL,
    basis VARCHAR   NOT NULL,           -- what the evidence depends on; another basis starts afresh
    until TIMESTAMP NOT NULL            -- first bucket not judged yet
);

CREATE SEQUENCE evidence_sequence;

CREATE TABLE evidence (                 -- the path: evidence over the alarm threshold, per judged bucket with labels
    sequence   BIGINT NOT NULL DEFAULT nextval('evidence_sequence'),
    model      VARCHAR   NOT NULL,
    rule       VARCHAR   NOT NULL,
    version    VARCHAR   NOT NULL,
    calibrator VARCHAR   NOT NULL,
    slice      VARCHAR   NOT NULL,
    bucket     TIMESTAMP NOT NULL,
    samples    BIGINT    NOT NULL,
    ratio      DOUBLE    NOT NULL       -- 1 = alarm; starts again from 0 after one
);

CREATE TABLE evidence_alarms (
    model      VARCHAR   NOT NULL,
    rule       VARCHAR   NOT NULL,
    version    VARCHAR   NOT NULL,
    calibrator VARCHAR   NOT NULL,
    slice      VARCHAR   NOT NULL,
    bucket     TIMESTAMP NOT NULL,
    ratio      DOUBLE    NOT NULL,
    onset      TIMESTAMP NOT NULL,      -- the bucket the drift most likely began in
    samples    BIGINT    NOT NULL,      -- labelled since then
    direction  VARCHAR   NOT NULL
);
