-- Labels that wait for their prediction, by source, and how far groups reach: as they were last looked at.

CREATE TABLE waiting_labels (
    model               VARCHAR   NOT NULL,
    source              VARCHAR   NOT NULL,
    labels              BIGINT    NOT NULL, -- that wait
    oldest_at           TIMESTAMP,          -- labelled_at of the oldest and the newest of them; NULL = none waits
    newest_at           TIMESTAMP,
    due                 BIGINT    NOT NULL, -- of the newest ones those whose prediction should be there
    joined              BIGINT    NOT NULL, -- labels of the same time that found theirs
    label_examples      VARCHAR[] NOT NULL,
    prediction_examples VARCHAR[] NOT NULL, -- newest predictions without a label
    guess               VARCHAR   NOT NULL, -- '' = nothing can be seen
    compared_at         TIMESTAMP,
    suspicious        BOOLEAN   NOT NULL,
    finding             VARCHAR   NOT NULL  -- all of it in words; '' = none waits
);

CREATE TABLE group_spans (
    model          VARCHAR   NOT NULL,
    checked_at     TIMESTAMP NOT NULL,
    since          TIMESTAMP NOT NULL,      -- of the rows observed from here on
    bucket_seconds BIGINT    NOT NULL,
    rows           BIGINT    NOT NULL,
    grouped        BIGINT    NOT NULL,      -- with a group_id
    groups         BIGINT    NOT NULL,
    over_buckets   DOUBLE    NOT NULL,      -- share of all rows: in groups that span buckets
    over_days      DOUBLE    NOT NULL,      -- and days
    examples       VARCHAR[] NOT NULL,      -- the longest groups
    example_rows   BIGINT[]  NOT NULL,
    example_seconds DOUBLE[] NOT NULL,
    suspicious     BOOLEAN   NOT NULL,
    finding        VARCHAR   NOT NULL
);
