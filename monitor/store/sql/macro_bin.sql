-- score bin * 192 + fine bin; the same rule as statistics.cells.bin_of, held equal by a property test
CREATE OR REPLACE TEMP MACRO cell_bin(p) AS (
    least(floor(p * 15), 14) * 192
    + CASE WHEN p <= 0 THEN 0 WHEN p >= 1 THEN 191
           ELSE least(greatest(floor((ln(p / (1 - p)) + 12) * 8), 0), 191) END
)::SMALLINT;
