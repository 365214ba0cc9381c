-- All times are UTC. One writer: the daemon. Ops read the snapshot, never this file.

CREATE TABLE models (
    model_id      USMALLINT NOT NULL,
    name          VARCHAR   NOT NULL,
    first_seen_at TIMESTAMP NOT NULL,
    folded_until  TIMESTAMP NOT NULL,   -- cells before this are daily
    revision      BIGINT    NOT NULL    -- grows with every change of the model's cells
);

-- What a score series is made of: a new version or a new calibrator in use begins a new stream.
CREATE TABLE streams (
    stream_id     INTEGER   NOT NULL,
    model_id      USMALLINT NOT NULL,
    version       VARCHAR   NOT NULL,
    calibrator    VARCHAR   NOT NULL,   -- '' = none
    first_seen_at TIMESTAMP NOT NULL
);

-- Finest slices: one row per combination of label values seen.
CREATE TABLE slices (
    slice_id         INTEGER   NOT NULL,
    model_id         USMALLINT NOT NULL,
    labels           MAP(VARCHAR, VARCHAR) NOT NULL,
    last_observed_at TIMESTAMP,
    last_labelled_at TIMESTAMP
);

CREATE TABLE slice_labels (             -- canonical text of each slice shown → its labels
    slice  VARCHAR NOT NULL,
    labels MAP(VARCHAR, VARCHAR) NOT NULL
);

CREATE TABLE slice_values (             -- values that have a slice of their own; the others fold into __other__
    model_id  USMALLINT NOT NULL,
    dimension VARCHAR   NOT NULL,
    value     VARCHAR   NOT NULL
);

-- No primary key: an index over 100 million identities costs gigabytes. Ingest looks identities up
-- by (sample_id, observed_at) within the touched days, where row groups are pruned by time.
CREATE TABLE samples (
    model_id        USMALLINT NOT NULL,
    stream_id       INTEGER   NOT NULL,
    slice_id        INTEGER   NOT NULL,
    sample_id       VARCHAR   NOT NULL,
    observed_at     TIMESTAMP NOT NULL,
    labelled_at     TIMESTAMP,          -- NULL = unlabelled
    score           DOUBLE    NOT NULL,
    raw_score       DOUBLE,             -- before calibration
    n               BIGINT    NOT NULL, -- 1, or the count a pre-counted row stands for
    positives       BIGINT,             -- of n; NULL = unlabelled
    group_id        VARCHAR,
    predicted_class VARCHAR,
    label           VARCHAR,
    logits          FLOAT[]
);

-- Everything downstream reads these sums. `bin` = score bin * 192 + fine bin, see statistics/cells.py.
CREATE TABLE cells (
    model_id       USMALLINT NOT NULL,
    stream_id      INTEGER   NOT NULL,
    slice_id       INTEGER   NOT NULL,
    bucket         TIMESTAMP NOT NULL,
    bin            SMALLINT  NOT NULL,
    n              BIGINT    NOT NULL,  -- labelled
    unlabelled     BIGINT    NOT NULL,
    score          DOUBLE    NOT NULL,  -- sums over the labelled: p, y, p², py, log-loss, label lag in seconds
    outcome        DOUBLE    NOT NULL,
    score_squared  DOUBLE    NOT NULL,
    score_outcome  DOUBLE    NOT NULL,
    log_loss       DOUBLE    NOT NULL,
    lag            DOUBLE    NOT NULL,
    weight         DOUBLE,              -- sums of w, wp, wy; NULL where every w is 1 (then they are n, score, outcome)
    weight_score   DOUBLE,
    weight_outcome DOUBLE
);

-- Sums of squared group residuals, for models with group_id; per slice as shown, since a group may span finest slices.
CREATE TABLE group_cells (
    model_id         USMALLINT NOT NULL,
    stream_id        INTEGER   NOT NULL,
    slice            VARCHAR   NOT NULL,
    bucket           TIMESTAMP NOT NULL,
    score_bin        SMALLINT  NOT NULL, -- -1 = all bins together
    squared_residual DOUBLE    NOT NULL,
    groups           BIGINT    NOT NULL
);

CREATE TABLE parked_labels (            -- labels whose prediction has not arrived yet
    model_id    USMALLINT NOT NULL,
    source      VARCHAR   NOT NULL,
    file        VARCHAR   NOT NULL,
    row         BIGINT    NOT NULL,
    sample_id   VARCHAR   NOT NULL,
    observed_at TIMESTAMP,
    labelled_at TIMESTAMP NOT NULL,
    positives   BIGINT,
    label       VARCHAR
);

CREATE TABLE quarantine (
    model  VARCHAR   NOT NULL,
    source VARCHAR   NOT NULL,
    file   VARCHAR   NOT NULL,
    row    BIGINT    NOT NULL,          -- from 0, within the file
    reason VARCHAR   NOT NULL,
    record VARCHAR,                     -- the row as read
    quarantined_at TIMESTAMP NOT NULL
);

CREATE TABLE cursors (                  -- what has been read; committed with its rows
    model_id    USMALLINT NOT NULL,
    source      VARCHAR   NOT NULL,
    item        VARCHAR   NOT NULL,     -- a file
    fingerprint VARCHAR   NOT NULL,     -- size and time of change as last read
    read_at     TIMESTAMP NOT NULL
);

CREATE TABLE pulls (
    model       VARCHAR   NOT NULL,
    source      VARCHAR   NOT NULL,
    pulled_at   TIMESTAMP NOT NULL,
    files       BIGINT    NOT NULL,
    rows        BIGINT    NOT NULL,
    new         BIGINT    NOT NULL,
    labelled    BIGINT    NOT NULL,     -- late labels of rows already here
    duplicates  BIGINT    NOT NULL,
    corrected   BIGINT    NOT NULL,
    quarantined BIGINT    NOT NULL,
    problem     VARCHAR                 -- what could not be read, and why
);

CREATE SEQUENCE reading_sequence;

CREATE TABLE readings (                 -- one per slice, window and bucket, as last computed for that window end
    sequence              BIGINT NOT NULL DEFAULT nextval('reading_sequence'),
    model                 VARCHAR   NOT NULL,
    version               VARCHAR   NOT NULL,
    slice                 VARCHAR   NOT NULL,
    "window"              VARCHAR   NOT NULL,
    window_start          TIMESTAMP NOT NULL,
    window_end            TIMESTAMP NOT NULL,
    computed_at           TIMESTAMP NOT NULL,
    state                 VARCHAR   NOT NULL,
    samples               BIGINT    NOT NULL,
    unlabelled            BIGINT    NOT NULL,
    label_coverage        DOUBLE,
    label_lag_seconds     DOUBLE,
    ece                   DOUBLE,
    ece_debiased          DOUBLE,
    ece_lower             DOUBLE,
    ece_upper             DOUBLE,
    ece_null_quantile     DOUBLE,
    ece_squared_debiased  DOUBLE,
    ece_squared_lower     DOUBLE,
    ece_squared_upper     DOUBLE,
    mce                   DOUBLE,
    smooth_ece            DOUBLE,
    calibration_gap       DOUBLE,
    gap_lower             DOUBLE,
    gap_upper             DOUBLE,
    brier_score           DOUBLE,
    brier_reliability     DOUBLE,
    brier_resolution      DOUBLE,
    brier_uncertainty     DOUBLE,
    log_loss              DOUBLE,
    auroc                 DOUBLE,
    outcome_rate          DOUBLE,
    mean_score            DOUBLE
);
CREATE TABLE newest_readings AS FROM readings LIMIT 0;

CREATE TABLE reliability (              -- bars of the newest readings
    model        VARCHAR NOT NULL,
    version      VARCHAR NOT NULL,
    slice        VARCHAR NOT NULL,
    "window"     VARCHAR NOT NULL,
    bin          SMALLINT NOT NULL,
    low          DOUBLE NOT NULL,
    high         DOUBLE NOT NULL,
    samples      DOUBLE NOT NULL,
    mean_score   DOUBLE,
    outcome_rate DOUBLE,
    rate_lower   DOUBLE,
    rate_upper   DOUBLE
);

CREATE TABLE alerts (
    model          VARCHAR   NOT NULL,
    version        VARCHAR   NOT NULL,
    rule           VARCHAR   NOT NULL,
    slice          VARCHAR   NOT NULL,
    severity       VARCHAR   NOT NULL,
    state          VARCHAR   NOT NULL,
    health         VARCHAR   NOT NULL,
    reason         VARCHAR   NOT NULL,
    value          DOUBLE,
    since          TIMESTAMP,
    fired_at       TIMESTAMP,
    last_true_at   TIMESTAMP,
    resolved_at    TIMESTAMP,
    evaluated_at   TIMESTAMP NOT NULL,
    onset          TIMESTAMP,
    last_action_at TIMESTAMP
);

CREATE TABLE alert_events (             -- every change of state, for "since when?"
    changed_at TIMESTAMP NOT NULL,
    model    VARCHAR   NOT NULL,
    version  VARCHAR   NOT NULL,
    rule     VARCHAR   NOT NULL,
    slice    VARCHAR   NOT NULL,
    severity VARCHAR   NOT NULL,
    state    VARCHAR   NOT NULL,
    reason   VARCHAR   NOT NULL,
    onset    TIMESTAMP
);

CREATE TABLE jobs (
    id           VARCHAR   NOT NULL,
    model        VARCHAR   NOT NULL,
    kind         VARCHAR   NOT NULL,
    trigger      VARCHAR   NOT NULL,
    scope        VARCHAR   NOT NULL,
    requested_at TIMESTAMP NOT NULL,
    state        VARCHAR   NOT NULL,
    onset        TIMESTAMP,
    started_at   TIMESTAMP,
    finished_at  TIMESTAMP,
    reasons      VARCHAR[] NOT NULL,
    details      JSON      NOT NULL
);

CREATE TABLE calibrators (              -- every artefact ever promoted; its file is calibrators/<model>/<id>.json
    id           VARCHAR   NOT NULL,
    model        VARCHAR   NOT NULL,
    scope        VARCHAR   NOT NULL,
    method       VARCHAR   NOT NULL,
    parent       VARCHAR,
    fitted_at    TIMESTAMP NOT NULL,
    fit_start    TIMESTAMP NOT NULL,
    fit_end      TIMESTAMP NOT NULL,
    gate_start   TIMESTAMP NOT NULL,
    gate_end     TIMESTAMP NOT NULL,
    before       JSON      NOT NULL,
    after        JSON      NOT NULL,
    parameters   JSON      NOT NULL
);

CREATE TABLE serving (                  -- which calibrator has been in charge of which scope, when
    model      VARCHAR   NOT NULL,
    scope      VARCHAR   NOT NULL,
    calibrator VARCHAR   NOT NULL,      -- '' = none (rolled back to raw scores)
    since      TIMESTAMP NOT NULL,
    until      TIMESTAMP                -- NULL = still
);

CREATE TABLE thresholds (
    model      VARCHAR   NOT NULL,
    scope      VARCHAR   NOT NULL,
    policy     VARCHAR   NOT NULL,
    threshold  DOUBLE    NOT NULL,
    precision  DOUBLE,
    recall     DOUBLE,
    calibrator VARCHAR   NOT NULL,
    chosen_at  TIMESTAMP NOT NULL
);

CREATE TABLE stages (                   -- last success of each stage, also across restarts
    model   VARCHAR   NOT NULL,
    stage   VARCHAR   NOT NULL,
    succeeded_at TIMESTAMP NOT NULL
);
