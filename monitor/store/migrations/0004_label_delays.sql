-- Whether labels of one outcome arrive later than those of the other, as of the newest look; and failing models.

CREATE TABLE label_delays (
    model          VARCHAR   NOT NULL,
    checked_at     TIMESTAMP NOT NULL,
    label_maturity DOUBLE    NOT NULL,  -- all times of this table in seconds
    depends        BOOLEAN,             -- and label_maturity does not wait for them; NULL = unknown
    unknown        VARCHAR   NOT NULL,  -- why
    samples        BIGINT    NOT NULL,  -- compared
    observed_from  TIMESTAMP,
    observed_until TIMESTAMP,
    earlier        DOUBLE,              -- probability that, at equal scores, outcome 1 is labelled before outcome 0
    p_value        DOUBLE,              -- of 1/2
    median_true    DOUBLE,              -- delay of labels with outcome 1
    median_false   DOUBLE,              -- and with outcome 0
    settled        DOUBLE,              -- label_maturity that waits for all but a few labels of either outcome
    finding        VARCHAR   NOT NULL   -- all this in words
);

CREATE TABLE problems (                 -- models whose newest cycle failed
    model   VARCHAR   NOT NULL,
    since   TIMESTAMP NOT NULL,         -- of the first failed cycle in a row
    problem VARCHAR   NOT NULL
);
