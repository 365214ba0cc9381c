-- Macros that every connection to live.duckdb has.

-- name: macro_bin
-- score bin * 192 + fine bin; the same rule as statistics.cells.bin_of, held equal by a property test
CREATE OR REPLACE TEMP MACRO cell_bin(p) AS (
    least(floor(p * 15), 14) * 192
    + CASE WHEN p <= 0 THEN 0 WHEN p >= 1 THEN 191
           ELSE least(greatest(floor((ln(p / (1 - p)) + 12) * 8), 0), 191) END
)::SMALLINT;

-- name: macro_bucket
CREATE OR REPLACE TEMP MACRO bucket_of(moment, seconds, folded_until) AS
    CASE WHEN moment < folded_until THEN date_trunc('day', moment)
         ELSE make_timestamp(epoch_us(moment) // (seconds::BIGINT * 1000000) * (seconds::BIGINT * 1000000)) END;

-- name: macro_log_loss
-- p is clipped to [1e-12, 1 - 1e-12], so that one certain mistake costs 27.6 nats and not infinity
CREATE OR REPLACE TEMP MACRO log_loss(p, n, positives) AS
    -(positives * ln(greatest(p, 1e-12)) + (n - positives) * ln(greatest(1 - p, 1e-12)));
