"""How large the benchmarks are: ``full`` is what the targets speak of, ``small`` takes minutes, ``tiny`` tests use."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    ingest_rows: int
    history_rows: tuple[int, int]  # samples behind a cycle: few, many
    cycle_rows: int
    cycles: int  # timed ones, of each variant
    grid: tuple[int, int]  # cameras × lightings of the benchmarks with many slices: (1 + a)(1 + b) slices are shown
    snapshot_days: int
    week_samples: int  # behind the metrics of the grid
    series: int
    same_work_rows: int
    footprint_rows: int
    footprint_hours: int
    repeats: int


SCALES = {
    "full": Scale(
        10_000_000, (1_000_000, 100_000_000), 10_000, 9, (24, 39), 90, 2_000_000, 10_000, 1_000_000, 5_000_000, 24, 3
    ),
    "small": Scale(
        1_000_000, (1_000_000, 10_000_000), 10_000, 5, (24, 39), 15, 500_000, 10_000, 1_000_000, 1_000_000, 24, 3
    ),
    "tiny": Scale(3_000, (4_000, 6_000), 200, 2, (2, 3), 1, 2_000, 200, 3_000, 2_000, 2, 1),
}
