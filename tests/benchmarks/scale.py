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
    scores: int  # through a calibrator
    logit_vectors: int  # of 10 classes, behind a refit
    cell_samples: int  # binary ones in the cells behind a refit
    refit_rows: int  # labelled rows of the window of a refit, in the store
    badly_rows: int  # of a first load whose outcomes do not follow their scores
    page_slices: int  # of the largest model that pages show, over three windows each
    mutants: int  # of files and pushes
    kills: int
    small_inputs: tuple[int, int]  # small files, small pushes


SCALES = {
    "full": Scale(
        10_000_000,
        (1_000_000, 100_000_000),
        10_000,
        9,
        (24, 39),
        90,
        2_000_000,
        10_000,
        1_000_000,
        5_000_000,
        24,
        3,
        scores=50_000_000,
        logit_vectors=1_000_000,
        cell_samples=100_000_000,
        refit_rows=20_000_000,
        badly_rows=2_000_000,
        page_slices=10_000,
        mutants=10_000,
        kills=1_000,
        small_inputs=(1_139, 358),
    ),
    "small": Scale(
        1_000_000,
        (1_000_000, 10_000_000),
        10_000,
        5,
        (24, 39),
        15,
        500_000,
        10_000,
        1_000_000,
        1_000_000,
        24,
        3,
        scores=10_000_000,
        logit_vectors=200_000,
        cell_samples=100_000_000,
        refit_rows=5_000_000,
        badly_rows=2_000_000,
        page_slices=10_000,
        mutants=300,
        kills=25,
        small_inputs=(1_139, 358),
    ),
    "tiny": Scale(
        3_000,
        (4_000, 6_000),
        200,
        2,
        (2, 3),
        1,
        2_000,
        200,
        3_000,
        2_000,
        2,
        1,
        scores=50_000,
        logit_vectors=3_000,
        cell_samples=1_000_000,
        refit_rows=60_000,
        badly_rows=3_000,
        page_slices=200,
        mutants=10,
        kills=1,
        small_inputs=(30, 10),
    ),
}
