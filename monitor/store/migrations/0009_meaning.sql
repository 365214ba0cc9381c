-- What rows mean: what was decided of a source once, which file a sample and its label are of, what labels were judged by.

CREATE TABLE source_facts (             -- decided once a source from what it holds, and remembered
    model_id   USMALLINT NOT NULL,
    source     VARCHAR   NOT NULL,
    fact       VARCHAR   NOT NULL,      -- such as 'logits_are'
    value      VARCHAR   NOT NULL,      -- such as 'probabilities'
    decided_at TIMESTAMP NOT NULL
);

CREATE TABLE files (                    -- numbers for the files that samples and labels are of
    file_id  INTEGER   NOT NULL,
    model_id USMALLINT NOT NULL,
    source   VARCHAR   NOT NULL,
    path     VARCHAR   NOT NULL
);

ALTER TABLE samples ADD COLUMN file_id INTEGER;         -- whose row it is, below 0 = of a push; NULL = from before this was kept
ALTER TABLE samples ADD COLUMN label_file_id INTEGER;   -- whose row its label is

CREATE TABLE repeated_rows (            -- which other files hold predictions and labels too: these outlive their own file
    model_id USMALLINT NOT NULL,
    file_id  INTEGER   NOT NULL,        -- one that the sample is not counted as
    identity UBIGINT   NOT NULL,        -- hash of sample_id and observed_at
    labels   BOOLEAN   NOT NULL,        -- whether it is the label that the file holds, or the prediction
    day      DATE      NOT NULL         -- observed
);

CREATE TABLE class_words (              -- classes predicted under a name that else means "not labelled yet"
    model_id         USMALLINT NOT NULL,
    word             VARCHAR   NOT NULL,
    last_observed_at TIMESTAMP NOT NULL
);

ALTER TABLE models ADD COLUMN label_basis VARCHAR;      -- what outcomes were derived from labels by; NULL = before this was kept

ALTER TABLE pulls ADD COLUMN changed_predictions BIGINT DEFAULT 0;  -- of those corrected: another score, slice or version
ALTER TABLE pulls ADD COLUMN clipped BIGINT DEFAULT 0;              -- scores a hair outside [0, 1]
ALTER TABLE pulls ADD COLUMN ambiguous_times BIGINT DEFAULT 0;      -- in the doubled hour of autumn, decided without a hint

CREATE TABLE source_notes (             -- troubles that a pull tells once: kept until they are old
    model    VARCHAR   NOT NULL,
    source   VARCHAR   NOT NULL,
    reason   VARCHAR   NOT NULL,
    item     VARCHAR   NOT NULL,        -- a file, or the source
    message  VARCHAR   NOT NULL,
    noted_at TIMESTAMP NOT NULL
);
