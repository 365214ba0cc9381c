"""What the published snapshot adds to a message about an alert or a job: the reading of its slice, its reliability
diagram, and what calwatch did since the alert fired."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import duckdb

from monitor.charts.client import ChartError
from monitor.charts.picture import png_apart
from monitor.jobs.actions.delivery import Delivery
from monitor.jobs.actions.message import Known
from monitor.model import ReliabilityBin, Slice
from monitor.model.errors import CalwatchError
from monitor.model.wording import counted, minute, number, signed
from monitor.store.connection import naive
from monitor.store.published.snapshot import SNAPSHOT, open_snapshot
from monitor.store.sql import statement

_READING = (  # of the longest window that has one
    statement("published_reading")
)
_BINS = statement("published_bars")
_DEEDS = statement("published_deeds")
DEEDS = 5  # told, the first ones


def look(delivery: Delivery, *, draw: bool) -> Known:
    """What is known of the slice that the delivery is about. A snapshot that cannot be read, or a chart that cannot be
    drawn, is a note in the message: news must not wait for it."""
    if delivery.state_dir is None:
        return Known(note="no snapshot to look at")
    if not (delivery.state_dir / SNAPSHOT).exists():
        return Known(note="no picture: no reading has been published yet" if draw else "")  # the very first cycle
    about: Mapping[str, Any] = delivery.payload
    try:
        with open_snapshot(delivery.state_dir) as snapshot:
            return _known(snapshot, about, draw)
    except CalwatchError as error:
        return Known(note=f"no picture: {error.message}")
    except (duckdb.Error, OSError) as error:
        return Known(note=f"no picture: {type(error).__name__}: {str(error).splitlines()[0]}")


def _known(snapshot: duckdb.DuckDBPyConnection, payload: Mapping[str, Any], draw: bool) -> Known:
    about: Mapping[str, Any] = payload.get("alert") or payload["job"]
    named = {"model": payload["model"], "slice": about["slice"]}
    deeds = _deeds(snapshot, payload)
    found = _rows(snapshot, _READING, **named, version=about.get("version", ""))
    if not found:
        return Known(note="no picture: the slice has too few labelled samples" if draw else "", deeds=deeds)
    reading = found[0]
    interval = f", 95 % interval {number(reading['ece_lower'])} to {number(reading['ece_upper'])}"
    over = f"over {reading['window']} until {minute(reading['window_end'])} UTC"
    sure = (
        f"ECE {number(reading['ece_debiased'])} (debiased{interval}), gap {signed(reading['calibration_gap'])}, "
        f"{counted(reading['samples'], 'labelled sample')} {over}"
    )
    if not draw:
        return Known(sure=sure, deeds=deeds)
    bins = _rows(snapshot, _BINS, **named, version=reading["version"], window=reading["window"])
    picture, note = _picture([ReliabilityBin(**row) for row in bins], over)
    return Known(picture, note, sure, deeds)


def _picture(bins: list[ReliabilityBin], shown: str) -> tuple[bytes | None, str]:
    if not bins:
        return None, "no picture: the snapshot holds no bars of this slice"
    try:
        return png_apart(
            "reliability", bins
        ), f"Reliability diagram of the slice {shown}: on the dashed line, scores can be taken at their word"
    except ChartError as error:
        return None, f"no picture: {error.message[0].lower()}{error.message[1:]}"


def _deeds(snapshot: duckdb.DuckDBPyConnection, payload: Mapping[str, Any]) -> tuple[str, ...]:
    """Refits and rollbacks of scopes that hold the alert's slice, asked for since it fired."""
    alert = payload.get("alert")
    if alert is None or alert["fired_at"] is None:
        return ()
    fired = naive(datetime.fromisoformat(alert["fired_at"]))
    own = Slice.parse(alert["slice"])
    rows = _rows(snapshot, _DEEDS, model=payload["model"], since=fired)
    return tuple(_deed(row) for row in rows if Slice.parse(row["scope"]).contains(own))[:DEEDS]


def _deed(row: Mapping[str, Any]) -> str:
    what = "refit" if row["kind"] == "recalibrate" else row["kind"]
    return f"{what} of {row['scope']} {row['state']} {minute(row['at'])} UTC (job {row['id']})"


def _rows(snapshot: duckdb.DuckDBPyConnection, sql: str, **parameters: object) -> list[dict[str, Any]]:
    cursor = snapshot.execute(sql, parameters)
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
