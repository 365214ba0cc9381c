"""What the published snapshot adds to a message about an alert or a job: the reading of its slice, its reliability
diagram, and what calwatch did since the alert fired."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import duckdb

from monitor.charts.client import ChartError, draw_png
from monitor.jobs.actions.delivery import Delivery
from monitor.jobs.actions.message import EventContext
from monitor.model import Job, ReliabilityBin, Slice
from monitor.model.errors import CalwatchError
from monitor.model.nouns import count_samples
from monitor.model.wording import minute, number, signed_number
from monitor.store.published.queries import Snapshot
from monitor.store.published.snapshot import SNAPSHOT

DEEDS = 5  # told, the first ones


def load_context(delivery: Delivery, *, draw: bool) -> EventContext:
    """What is known of the slice that the delivery is about. A snapshot that cannot be read, or a chart that cannot be
    drawn, is a note in the message: news must not wait for it."""
    if delivery.state_dir is None:
        return EventContext(note="no snapshot to look at")
    if not (delivery.state_dir / SNAPSHOT).exists():
        return EventContext(
            note="no picture: no reading has been published yet" if draw else ""
        )  # the very first cycle
    about: Mapping[str, Any] = delivery.payload
    try:
        with Snapshot(delivery.state_dir) as snapshot:
            return _known(snapshot, about, draw)
    except CalwatchError as error:
        return EventContext(note=f"no picture: {error.message}")
    except (duckdb.Error, OSError) as error:
        return EventContext(note=f"no picture: {type(error).__name__}: {str(error).splitlines()[0]}")


def _known(snapshot: Snapshot, payload: Mapping[str, Any], draw: bool) -> EventContext:
    about: Mapping[str, Any] = payload.get("alert") or payload["job"]
    model = payload["model"]
    deeds = _deeds(snapshot, payload)
    reading = snapshot.newest_reading(model, Slice.parse(about["slice"]), about.get("version", ""))
    if reading is None:
        return EventContext(note="no picture: the slice has too few labelled samples" if draw else "", deeds=deeds)
    interval = f", 95 % interval {number(reading.ece_lower)} to {number(reading.ece_upper)}"
    at = "" if reading.iou is None else f" at IoU {reading.iou:g}"
    over = f"over {reading.window} until {minute(reading.window_end)} UTC{at}"
    sure = (
        f"ECE {number(reading.ece_debiased)} (debiased{interval}), gap {signed_number(reading.calibration_gap)}, "
        f"{count_samples(reading.samples, reading.groups, reading.group_noun, 'labelled sample')} {over}"
    )
    if not draw:
        return EventContext(sure=sure, deeds=deeds)
    picture, note = _picture(snapshot.bars_of(model, reading), over)
    return EventContext(picture, note, sure, deeds)


def _picture(bins: Sequence[ReliabilityBin], shown: str) -> tuple[bytes | None, str]:
    if not bins:
        return None, "no picture: the snapshot holds no bars of this slice"
    try:
        return draw_png(
            "reliability", bins
        ), f"Reliability diagram of the slice {shown}: on the dashed line, scores can be taken at their word"
    except ChartError as error:
        return None, f"no picture: {error.message}"


def _deeds(snapshot: Snapshot, payload: Mapping[str, Any]) -> tuple[str, ...]:
    """Refits and rollbacks of scopes that hold the alert's slice, asked for since it fired."""
    alert = payload.get("alert")
    if alert is None or alert["fired_at"] is None:
        return ()
    fired = datetime.fromisoformat(alert["fired_at"])
    own = Slice.parse(alert["slice"])
    done = snapshot.deeds(payload["model"], fired)
    return tuple(_deed(job) for job in done if job.scope.contains(own))[:DEEDS]


def _deed(job: Job) -> str:
    what = {"recalibrate": "refit", "tune": "tuning"}.get(job.kind, job.kind)
    at = job.finished_at or job.requested_at
    return f"{what} of {job.scope.text} {job.state} {minute(at)} UTC (job {job.id})"
