-- Thresholds with bounds, per class, or with the answer that none can promise; their curves; live figures on readings.

ALTER TABLE thresholds ALTER COLUMN threshold DROP NOT NULL;    -- NULL = no threshold can promise what the policy asks
ALTER TABLE thresholds ADD COLUMN per VARCHAR DEFAULT '';       -- 'predicted_class', 'class' (one-vs-rest), '' = over all
ALTER TABLE thresholds ADD COLUMN class_name VARCHAR DEFAULT '';
ALTER TABLE thresholds ADD COLUMN kept BOOLEAN;                 -- of a promise; NULL = the policy promises nothing
ALTER TABLE thresholds ADD COLUMN confidence DOUBLE DEFAULT 0.95;
ALTER TABLE thresholds ADD COLUMN bound VARCHAR DEFAULT '';     -- kind of the bounds
ALTER TABLE thresholds ADD COLUMN samples BIGINT DEFAULT 0;
ALTER TABLE thresholds ADD COLUMN groups BIGINT DEFAULT 0;
ALTER TABLE thresholds ADD COLUMN precision_lower DOUBLE;
ALTER TABLE thresholds ADD COLUMN precision_upper DOUBLE;
ALTER TABLE thresholds ADD COLUMN recall_lower DOUBLE;
ALTER TABLE thresholds ADD COLUMN recall_upper DOUBLE;
ALTER TABLE thresholds ADD COLUMN share DOUBLE;                 -- of samples at or above the threshold
ALTER TABLE thresholds ADD COLUMN fp_per_group DOUBLE;
ALTER TABLE thresholds ADD COLUMN best DOUBLE;                  -- the best bound of any threshold, by itself
ALTER TABLE thresholds ADD COLUMN best_threshold DOUBLE;
ALTER TABLE thresholds ADD COLUMN empirical DOUBLE;             -- cost: cheapest in the samples; above 1 = predict nothing
ALTER TABLE thresholds ADD COLUMN reason VARCHAR DEFAULT '';

CREATE TABLE threshold_curves (         -- what every other threshold would have given, at most 200 points each
    model           VARCHAR   NOT NULL,
    scope           VARCHAR   NOT NULL,
    policy          VARCHAR   NOT NULL,
    per             VARCHAR   NOT NULL,
    class_name      VARCHAR   NOT NULL,
    calibrator      VARCHAR   NOT NULL,
    chosen_at       TIMESTAMP NOT NULL,
    threshold       DOUBLE    NOT NULL,
    share           DOUBLE,
    precision       DOUBLE,
    precision_lower DOUBLE,
    precision_upper DOUBLE,
    recall          DOUBLE,
    recall_lower    DOUBLE,
    recall_upper    DOUBLE,
    f1              DOUBLE,
    cost            DOUBLE,             -- mean per sample; NULL where the policy has no costs
    fp_per_group    DOUBLE
);

ALTER TABLE readings ADD COLUMN threshold_precision DOUBLE;
ALTER TABLE readings ADD COLUMN threshold_precision_lower DOUBLE;
ALTER TABLE readings ADD COLUMN threshold_precision_upper DOUBLE;
ALTER TABLE readings ADD COLUMN threshold_recall DOUBLE;
ALTER TABLE readings ADD COLUMN threshold_recall_lower DOUBLE;
ALTER TABLE readings ADD COLUMN threshold_recall_upper DOUBLE;
ALTER TABLE newest_readings ADD COLUMN threshold_precision DOUBLE;
ALTER TABLE newest_readings ADD COLUMN threshold_precision_lower DOUBLE;
ALTER TABLE newest_readings ADD COLUMN threshold_precision_upper DOUBLE;
ALTER TABLE newest_readings ADD COLUMN threshold_recall DOUBLE;
ALTER TABLE newest_readings ADD COLUMN threshold_recall_lower DOUBLE;
ALTER TABLE newest_readings ADD COLUMN threshold_recall_upper DOUBLE;
