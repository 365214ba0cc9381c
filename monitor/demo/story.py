"""What the demo tells: what is real, what happened, what calwatch did about it, and where it left the results."""

from pathlib import Path

from monitor.backtest import Played
from monitor.console import interval, moment, number, say, signed, table
from monitor.demo import DISCLOSURES, HAZE_BEGAN, SECOND_SITE_BEGAN
from monitor.model import AlertState, Slice
from monitor.store.snapshot import SNAPSHOT
from monitor.tell import tell_alerts, tell_pulled, tell_refits

HAZED = Slice.of({"camera": "c3", "lighting": "night"})


def tell(played: Played, directory: Path) -> None:
    """Print the story of one played demo."""
    say("A digit reader on a parcel line: 4 cameras × 3 lightings, 60 days, one cycle every 6 simulated hours.")
    for sentence in DISCLOSURES:
        say(f"  · {sentence}")
    say()
    tell_pulled(played)
    say()
    _tell_haze(played)
    tell_alerts(played.alerts)
    tell_refits(played.jobs)
    _tell_now(played)
    _tell_files(played, directory)


def _tell_haze(played: Played) -> None:
    """Planted times beside what calwatch found."""
    fired = next((a for a in played.alerts if a.slice == HAZED and a.state is AlertState.FIRING), None)
    cured = next((j for j in played.jobs if j.scope == HAZED and j.state.value == "promoted"), None)
    resolved = next((a for a in played.alerts if a.slice == HAZED and a.state is AlertState.RESOLVED), None)
    table(
        f"the sharp story: {HAZED.text}",
        ("what", "when (UTC)", "after the planted start"),
        [
            (what, moment(when), "–" if when is None else f"{(when - HAZE_BEGAN).total_seconds() / 86_400:+.1f} days")
            for what, when in (
                ("the lens begins to haze over (planted)", HAZE_BEGAN),
                ("start as calwatch estimates it", fired.onset if fired else None),
                ("the alert fires", fired.fired_at if fired else None),
                ("the gate promotes a refit for this slice", cured.finished_at if cured else None),
                ("the alert resolves", resolved.resolved_at if resolved else None),
                ("the second site begins, slowly (planted)", SECOND_SITE_BEGAN),
            )
        ],
    )


def _tell_now(played: Played) -> None:
    (model,) = played.published.models
    longest = model.readings and max(model.readings, key=lambda r: r.window_end - r.window_start).window
    shown = sorted(
        (r for r in model.readings if r.window == longest and r.metrics["ece"] is not None),
        key=lambda r: -(r.metrics["ece_lower"] or 0),
    )[:6]
    table(
        f"the worst slices at the end, {longest} (event: {model.task.event})",
        ("slice", "samples", "ECE", "95 % interval", "by luck", "gap"),
        (
            (
                r.slice.text, f"{r.samples:,}", number(r.metrics["ece"]),
                interval(r.metrics["ece_lower"], r.metrics["ece_upper"]), number(r.metrics["ece_null_quantile"]),
                signed(r.metrics["calibration_gap"]),
            )
            for r in shown
        ),
        numeric=("samples", "ECE", "by luck", "gap"),
    )  # fmt: skip


def _tell_files(played: Played, directory: Path) -> None:
    say("it left:")
    say(f"  {directory / SNAPSHOT}    DuckDB for your questions, e.g. FROM drift_now; FROM worst_slices; FROM last_refits")
    for path in sorted((directory / "calibrators").rglob("*.json")):
        say(f"  {path}")
    for failure in played.failures:
        say(f"FAILED: {failure}")
