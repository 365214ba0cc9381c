"""What the demo tells: what is real, what happened, what calwatch did about it, and where it left the results."""

from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from monitor.cli.demo import DISCLOSURES, HAZE_BEGAN, SECOND_SITE_BEGAN, SECOND_SITE_FULL
from monitor.cli.demo.play import CONFIG
from monitor.cli.output import print_line, print_table, tell_alerts, tell_pulled, tell_refits
from monitor.engine.backtest import Playback
from monitor.model import AlertState, Job, JobState, Slice
from monitor.model.nouns import put_in_groups
from monitor.model.wording import interval, minute, number, signed_number
from monitor.statistics.calibration.metrics import measure_calibration
from monitor.statistics.cells import Cells
from monitor.store.connection import LIVE, make_naive
from monitor.store.published.queries import Snapshot
from monitor.store.published.snapshot import SNAPSHOT
from monitor.store.sql import statement

HAZED = Slice.of({"camera": "c3", "lighting": "night"})


def tell_story(played: Playback, directory: Path) -> None:
    """Print the story of one played demo."""
    print_line("A digit reader on a parcel line: 4 cameras × 3 lightings, 60 days, one cycle every 8 simulated hours.")
    for sentence in DISCLOSURES:
        print_line(f"  · {sentence}")
    print_line()
    tell_pulled(played)
    print_line()
    _tell_haze(played)
    _tell_second_site(played, directory)
    tell_alerts(played.alerts)
    tell_refits(played.jobs)
    _tell_now(played)
    _tell_files(played, directory)


def _tell_haze(played: Playback) -> None:
    """Planted times beside what calwatch found."""
    fired = next((a for a in played.alerts if a.slice == HAZED and a.state is AlertState.FIRING), None)
    cured = _promoted(played, HAZED, played.began)
    resolved = next((a for a in reversed(played.alerts) if a.slice == HAZED and a.state is AlertState.RESOLVED), None)
    print_table(
        f"the sharp story: {HAZED.text}",
        ("what", "when (UTC)", "after the planted start"),
        [
            (what, minute(when), "–" if when is None else f"{(when - HAZE_BEGAN).total_seconds() / 86_400:+.1f} days")
            for what, when in (
                ("the lens begins to haze over (planted)", HAZE_BEGAN),
                ("start as calwatch estimates it", fired.onset if fired else None),
                (f"the first alert fires ({fired.rule if fired else 'none'})", fired.fired_at if fired else None),
                ("the gate promotes a refit for this slice", cured.finished_at if cured else None),
                ("the last alert resolves", resolved.resolved_at if resolved else None),
            )
        ],
    )


def _promoted(played: Playback, scope: Slice, since: datetime) -> Job | None:
    """The first refit of a slice, asked for since then, that the gate promoted."""
    own = (job for job in played.jobs if job.scope == scope and job.requested_at >= since)
    return next((job for job in own if job.state is JobState.PROMOTED), None)


def _tell_second_site(played: Playback, directory: Path) -> None:
    """The whole stream's ECE at the turning points of the slow drift."""
    nightly = _promoted(played, Slice(), SECOND_SITE_BEGAN)
    points = (
        ("the second site begins (planted)", SECOND_SITE_BEGAN),
        ("its share is full, nine in ten (planted)", SECOND_SITE_FULL),
        ("the gate promotes a nightly refit for all", nightly.finished_at if nightly else None),
        ("the end", played.ended),
    )
    with Snapshot(directory) as held:
        rows = [
            (what, minute(when), "–" if reading is None else number(reading.ece),
             "–" if reading is None else interval(reading.ece_lower, reading.ece_upper))
            for what, when in sorted(points, key=lambda point: point[1] or played.ended)
            for reading in [held.reading_at("digits", Slice(), "7d", when) if when else None]
        ]  # fmt: skip
    unmended = _raw_metrics(directory, played)
    rows.append(
        ("the end, had no refit been promoted", minute(played.ended), number(unmended["ece"]),
         interval(unmended["ece_lower"], unmended["ece_upper"]))
    )  # fmt: skip
    print_table("the slow story: all", ("what", "when (UTC)", "ECE of the 7 days before", "95 % interval"), rows)


def _raw_metrics(directory: Path, played: Playback) -> dict[str, float]:
    """The metrics of the last 7 days' scores as the model gave them, before any calibrator."""
    with duckdb.connect(str(directory / LIVE), read_only=True) as connection:
        rows = connection.execute(
            statement("demo_scores"),
            {"start": make_naive(played.ended - timedelta(days=7)), "end": make_naive(played.ended)},
        ).fetchnumpy()
    cells = Cells.from_samples(rows["raw_score"], rows["positives"])
    return {name: float(values[0]) for name, values in measure_calibration(cells, 1).items()}


def _tell_now(played: Playback) -> None:
    (model,) = played.published.models
    longest = model.readings and max(model.readings, key=lambda r: r.window_end - r.window_start).window
    shown = sorted(
        (r for r in model.readings if r.window == longest and r.metrics["ece"] is not None),
        key=lambda r: -(r.metrics["ece_lower"] or 0),
    )[:6]
    print_table(
        f"the worst slices at the end, {longest} (event: {model.event})",
        ("slice", "samples", "ECE", "95 % interval", "by luck", "gap"),
        (
            (
                r.slice.text, put_in_groups(r.samples, r.groups, r.group_noun), number(r.metrics["ece"]),
                interval(r.metrics["ece_lower"], r.metrics["ece_upper"]), number(r.metrics["ece_null_quantile"]),
                signed_number(r.metrics["calibration_gap"]),
            )
            for r in shown
        ),
        numeric=("samples", "ECE", "by luck", "gap"),
    )  # fmt: skip


def _tell_files(played: Playback, directory: Path) -> None:
    print_line("it left:")
    print_line(
        f"  {directory / SNAPSHOT}    DuckDB for your questions, e.g. FROM drift_now; FROM worst_slices; FROM last_refits"
    )
    for path in sorted((directory / "calibrators").rglob("*.json")):
        print_line(f"  {path}")
    config = directory / CONFIG
    print_line(f"  {config}    for commands that look, such as: calwatch report digits --config {config}")
