-- The newest verdict of each disparity rule: every slice it covers against the rest of its model version.

CREATE TABLE disparities (
    model          VARCHAR   NOT NULL,
    rule           VARCHAR   NOT NULL,
    version        VARCHAR   NOT NULL,
    slice          VARCHAR   NOT NULL,
    "window"       VARCHAR   NOT NULL,
    window_start   TIMESTAMP NOT NULL,
    window_end     TIMESTAMP NOT NULL,
    measure        VARCHAR   NOT NULL,  -- gap | error
    samples        BIGINT    NOT NULL,
    rest_samples   BIGINT    NOT NULL,
    needed_samples BIGINT    NOT NULL,  -- on both sides, for the numbers to be known
    slices         BIGINT    NOT NULL,  -- judged together
    own            DOUBLE,              -- calibration gap or debiased ECE; NULL = unknown
    rest           DOUBLE,
    difference     DOUBLE,              -- how much worse the slice is
    lower          DOUBLE,              -- and at least, for all slices at once, at the level of the rule
    lower_alone    DOUBLE,              -- and at least, this slice alone, at twice that level
    p_value        DOUBLE               -- of "no worse than the rule allows", adjusted for all slices
);
