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

-- name: macro_box_inside
-- share of the area of a box that lies within its image
CREATE OR REPLACE TEMP MACRO box_inside(x1, y1, x2, y2, wide, high) AS
    greatest(0, least(x2, wide) - greatest(x1, 0)) / (x2 - x1) * (greatest(0, least(y2, high) - greatest(y1, 0)) / (y2 - y1));

-- name: macro_box_over
-- how far a box reaches over the edge of its image, as a share of its side
CREATE OR REPLACE TEMP MACRO box_over(x1, y1, x2, y2, wide, high) AS
    greatest(-x1 / wide, (x2 - wide) / wide, -y1 / high, (y2 - high) / high);

-- name: macro_is_beyond
-- whether a box reaches over the edge of its image by more than rounding, a pixel or a hundredth
CREATE OR REPLACE TEMP MACRO is_beyond(x1, y1, x2, y2, wide, high, x_pixel, y_pixel) AS
    x1 < -greatest(x_pixel, wide / 100) OR y1 < -greatest(y_pixel, high / 100)
    OR x2 > wide + greatest(x_pixel, wide / 100) OR y2 > high + greatest(y_pixel, high / 100);

-- name: macro_is_outside
-- whether most of a box lies outside of its image
CREATE OR REPLACE TEMP MACRO is_outside(x1, y1, x2, y2, wide, high, x_pixel, y_pixel) AS
    is_beyond(x1, y1, x2, y2, wide, high, x_pixel, y_pixel) AND box_inside(x1, y1, x2, y2, wide, high) < 0.5;
