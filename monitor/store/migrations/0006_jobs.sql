-- Jobs: attempts, cancellation, actions; who put a calibrator in charge; the guard over promoted calibrators.

ALTER TABLE jobs ADD COLUMN attempts INTEGER DEFAULT 0;         -- begun so far
ALTER TABLE jobs ADD COLUMN next_attempt_at TIMESTAMP;          -- of a queued job that failed for a reason that may pass

CREATE TABLE job_log (                  -- every attempt of every job that ended
    job           VARCHAR   NOT NULL,
    model         VARCHAR   NOT NULL,
    attempt       INTEGER   NOT NULL,
    started_at    TIMESTAMP NOT NULL,
    finished_at   TIMESTAMP NOT NULL,   -- when its end was noticed
    seconds       DOUBLE,               -- it ran; NULL = unknown, its process was lost
    peak_memory   BIGINT,               -- bytes; NULL = it ran inside calwatch, or unknown
    outcome       VARCHAR   NOT NULL,   -- a state of jobs, or 'retried', 'interrupted', 'outdated'
    message       VARCHAR   NOT NULL,
    output        VARCHAR               -- the end of what a command printed or a webhook answered
);

ALTER TABLE serving ADD COLUMN cause VARCHAR DEFAULT 'promoted';    -- or 'rolled back'
UPDATE serving SET cause = 'rolled back' WHERE EXISTS (
    FROM jobs AS j WHERE j.kind = 'rollback' AND j.state = 'done' AND j.model = serving.model
    AND j.scope = serving.scope AND j.finished_at = serving.since
);

CREATE TABLE guards (                   -- promoted calibrators under comparison with the one they replaced
    model      VARCHAR   NOT NULL,
    scope      VARCHAR   NOT NULL,
    calibrator VARCHAR   NOT NULL,
    parent     VARCHAR   NOT NULL,      -- '' = scores as they come
    version    VARCHAR   NOT NULL,      -- of the model, when it was promoted
    since      TIMESTAMP NOT NULL,
    until      TIMESTAMP NOT NULL,      -- samples observed in [since, until) are compared
    evidence   DOUBLE    NOT NULL,      -- e-value that the promoted one is worse
    groups     BIGINT    NOT NULL,      -- independent ones compared: images, clips, or single samples
    samples    BIGINT    NOT NULL,
    loss       DOUBLE,                  -- mean log-loss of the promoted minus that of its parent; NULL = nothing compared
    left_out   BIGINT    NOT NULL,      -- samples without a score from before any calibration
    state      VARCHAR   NOT NULL       -- 'watching', 'worse' (rolled back), 'over'
);

CREATE TABLE guard_buckets (            -- additive parts of the evidence, so that late labels renew single buckets
    model       VARCHAR   NOT NULL,
    calibrator  VARCHAR   NOT NULL,
    since       TIMESTAMP NOT NULL,
    bucket      TIMESTAMP NOT NULL,
    fingerprint VARCHAR   NOT NULL,     -- of the bucket's labelled cells when it was compared
    log_factors DOUBLE[]  NOT NULL,     -- log-wealth each bet gained
    groups      BIGINT    NOT NULL,
    samples     BIGINT    NOT NULL,
    loss        DOUBLE    NOT NULL,     -- sum over the groups of their mean difference of log-loss
    left_out    BIGINT    NOT NULL
);
