"""The story of two detectors: one whose scores can be taken at their word is exchanged for one that promises too much."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from monitor.cli.demo.operating import tell_operating_points
from monitor.cli.demo.play import CONFIG, Story
from monitor.cli.output import print_line, print_table, tell_alerts, tell_pulled, tell_refits
from monitor.engine.backtest import Playback
from monitor.model import AlertState, JobState, Slice
from monitor.model.wording import interval, minute, number
from monitor.statistics.calibration.metrics import measure_calibration
from monitor.statistics.cells import Cells
from monitor.store.connection import LIVE, make_naive
from monitor.store.published.queries import Snapshot
from monitor.store.published.snapshot import SNAPSHOT
from monitor.store.sql import statement

PLAYED = (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 21, tzinfo=UTC))  # the end is exclusive
SWAPPED = datetime(2026, 3, 9, tzinfo=UTC)
STORY = Story(
    "detection", *PLAYED, timedelta(hours=8), ("images.parquet", "detections.parquet", "truth.parquet", "rules.toml"),
    tuned="yard",
)  # fmt: skip
DISCLOSURES = (
    "Real: the detections of two detectors on the 5,000 images of COCO val2017, ssd-inception-v2 and faster-rcnn-resnet-50, "
    "as they were published (scores from 0.3 on, after suppression at IoU 0.6), and the objects that COCO's people marked.",
    "Real: every match. calwatch pairs boxes and objects itself, at IoU 0.5, as COCO does.",
    "Assigned: dates. Each image is seen once, by one of the two.",
    "Planted drift: on 2026-03-09 somebody puts faster-rcnn-resnet-50 in the place of ssd-inception-v2. It finds more, and its "
    "scores are far too high; nothing in the rows says that it is another.",
    "Simulated: label delays (log-normal, median 8 hours, at most 3 days) and the 10 % of images that nobody looks at.",
)


def tell_detectors(played: Playback, directory: Path) -> None:
    """Print the story of one played demo."""
    days = (played.ended - played.began).days
    print_line(f"A detector over a yard: 5,000 images in {days} days, one cycle every 8 simulated hours.")
    for sentence in DISCLOSURES:
        print_line(f"  · {sentence}")
    print_line()
    tell_pulled(played)
    print_line()
    _tell_swap(played)
    _tell_calibration(played, directory)
    tell_alerts(played.alerts)
    tell_refits(played.jobs)
    pictures = tell_operating_points(played, directory)
    _tell_files(directory, pictures)


def _tell_swap(played: Playback) -> None:
    """The planted time beside what calwatch found."""
    fired = next((a for a in played.alerts if a.slice == Slice() and a.state is AlertState.FIRING), None)
    cured = next((job for job in played.jobs if job.scope == Slice() and job.state is JobState.PROMOTED), None)
    resolved = next((a for a in played.alerts if a.slice == Slice() and a.state is AlertState.RESOLVED), None)
    print_table(
        "the swap",
        ("what", "when (UTC)", "after the swap"),
        [
            (what, minute(when), "–" if when is None else f"{(when - SWAPPED).total_seconds() / 86_400:+.1f} days")
            for what, when in (
                ("another detector is put in place (planted)", SWAPPED),
                ("start as calwatch estimates it", fired.onset if fired else None),
                (f"the first alert fires ({fired.rule if fired else 'none'})", fired.fired_at if fired else None),
                ("the gate promotes a refit", cured.finished_at if cured else None),
                ("the first alert is over", resolved.resolved_at if resolved else None),
            )
        ],
    )


def _tell_calibration(played: Playback, directory: Path) -> None:
    """D-ECE before the swap, at the alarm and at the end, and what it would be without a refit."""
    cured = next((job.finished_at for job in played.jobs if job.state is JobState.PROMOTED), None)
    points = [
        ("before the swap", SWAPPED, "7d"), ("when the refit is promoted", cured, "24h"), ("the end", played.ended, "7d")
    ]  # fmt: skip
    with Snapshot(directory) as held:
        rows = [
            (what, minute(when), window, "–" if reading is None else number(reading.ece),
             "–" if reading is None else interval(reading.ece_lower, reading.ece_upper))
            for what, when, window in points
            for reading in [held.reading_at("yard", Slice(), window, when) if when else None]
        ]  # fmt: skip
    unmended = _raw_metrics(directory, played)
    rows.append(
        ("the end, had no refit been promoted", minute(played.ended), "7d", number(unmended["ece"]),
         interval(unmended["ece_lower"], unmended["ece_upper"]))
    )  # fmt: skip
    print_table("all boxes", ("what", "when (UTC)", "over", "D-ECE at IoU 0.5", "95 % interval"), rows)


def _raw_metrics(directory: Path, played: Playback) -> dict[str, float]:
    """The metrics of the last 7 days' scores as the detector gave them, before any calibrator."""
    span = {"start": make_naive(played.ended - timedelta(days=7)), "end": make_naive(played.ended)}
    with duckdb.connect(str(directory / LIVE), read_only=True) as connection:
        rows = connection.execute(statement("demo_scores"), span).fetchnumpy()
    cells = Cells.from_samples(rows["raw_score"], rows["positives"])
    return {name: float(values[0]) for name, values in measure_calibration(cells, 1).items()}


def _tell_files(directory: Path, pictures: Sequence[Path]) -> None:
    print_line("it left:")
    print_line(f"  {directory / SNAPSHOT}    DuckDB for your questions, e.g. FROM drift_now; FROM worst_slices")
    for path in sorted((directory / "calibrators").rglob("*.json")):
        print_line(f"  {path}")
    for path in pictures:
        print_line(f"  {path}")
    config = directory / CONFIG
    print_line(f"  {config}    for commands that look, such as: calwatch report yard --config {config}")
