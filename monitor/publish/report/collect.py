"""All that a report says of one model over one period, read from a published snapshot. Numbers that are unknown are None.

The newest readings stand for the state at the period's end; where it ends before the snapshot, readings as of then do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitor.model import Disparity, Job, ReliabilityBin, Slice, ThresholdInUse, history
from monitor.model.errors import UsageError
from monitor.recalibration.gate import COLUMNS
from monitor.statistics.cells import SCORE_BINS
from monitor.store.published.history import Row
from monitor.store.published.queries import Snapshot

Bars = tuple[ReliabilityBin, ...]

SPAN = timedelta(days=30)  # a report goes back this far unless told otherwise
WORST, DETAILED, REFITS, CURVES, ROWS = 15, 4, 12, 6, 8  # how many are shown


@dataclass(frozen=True, slots=True)
class SliceReport:
    """One slice over the period. ``reading``: the last one in it; ``bars`` are of the newest, empty where it is another."""

    slice: Slice
    reading: history.SliceReading | None
    points: tuple[history.ReadingPoint, ...]
    evidence: tuple[history.EvidencePoint, ...]
    events: tuple[history.Event, ...]
    bars: Bars


@dataclass(frozen=True, slots=True)
class AcceptedRefit:
    """A refit that the gate accepted, with the bars of its gate samples as they were scored and as it scores them."""

    job: Job
    before: Bars
    after: Bars


@dataclass(frozen=True, slots=True)
class ThresholdReport:
    """A threshold in force with its trade-off curve."""

    chosen: ThresholdInUse
    curve: tuple[history.CurvePoint, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """Times are UTC; ``published_at`` is when the snapshot was written, ``window`` the one its figures are over."""

    model: str
    since: datetime
    until: datetime
    published_at: datetime
    first_reading: datetime | None
    window: str
    whole: history.SliceReading | None
    worst: tuple[history.SliceReading, ...]
    slices: tuple[SliceReport, ...]
    alerts: tuple[history.Firing, ...]  # that fired in the period or fire now, the newest first
    unsure: tuple[history.UnsureAlert, ...]  # alerts whose rule could not be evaluated
    refits: tuple[AcceptedRefit, ...]
    others: tuple[Job, ...]  # refits not accepted, rollbacks
    calibrators: tuple[Row, ...]
    thresholds: tuple[ThresholdReport, ...]
    disparities: tuple[Disparity, ...]
    delays: Row | None
    problem: Row | None
    pulls: tuple[history.PullRow, ...]
    quarantine: tuple[history.QuarantineCount, ...]
    set_aside: tuple[history.QuarantinedRow, ...]
    # the last of every slice in the period, the worst first, insufficient ones last
    readings: tuple[history.SliceReading, ...]
    last_sample_at: datetime | None = None
    objects: tuple[Row, ...] = ()  # what a detector found of what there was, by slice, as of the snapshot
    errors: tuple[history.LargestError, ...] = ()  # samples furthest from what came true, of models with image_url

    @property
    def insufficient(self) -> tuple[history.SliceReading, ...]:
        """Readings with too few labelled samples."""
        return tuple(reading for reading in self.readings if reading.state != "ok")


def collect_report(
    snapshot: Snapshot, model: str, *, since: datetime | None = None, until: datetime | None = None,
    slice_: Slice | None = None,
) -> Report:  # fmt: skip
    """Everything about ``model`` in (since, until], by default the 30 days before the snapshot was written. ``slice_``: the
    one to tell in full; None: the whole and those in most trouble.

    Raises UsageError for a model or slice there is not, and for a period that ends before it begins.
    """
    published = snapshot.published_at()
    until = min(until, published) if until is not None else published
    since = until - SPAN if since is None else since
    if since >= until:
        raise UsageError(
            f"the period must begin before it ends, and before {published:%Y-%m-%dT%H:%MZ}, the snapshot's time"
        )
    window = snapshot.longest_window(model)
    readings = snapshot.readings_in(model, window, since, until)
    alerts = snapshot.firings(model, since, until)
    jobs = [job for job in snapshot.jobs(model, limit=5000).jobs if since < job.requested_at <= until]
    accepted = [job for job in jobs if job.kind == "recalibrate" and job.state == "promoted"]
    extent = snapshot.extent(model, Slice(), window)
    known = [reading for reading in readings if reading.state == "ok"]
    chosen = (slice_,) if slice_ is not None else _in_trouble(known, alerts)
    if slice_ is not None and slice_.text not in {reading.slice for reading in readings}:
        raise UsageError(
            f'model "{model}" has no reading of slice "{slice_.text}" in this period',
            "the slices there are: calwatch slices --model " + model,
        )
    return Report(
        model=model, since=since, until=until, published_at=published, first_reading=extent[0] if extent else None,
        window=window, last_sample_at=snapshot.last_samples().get(model),
        whole=next((reading for reading in readings if reading.slice == "all"), None),
        worst=tuple(known[:WORST]),
        slices=tuple(_slice(snapshot, model, each, window, readings, since, until) for each in chosen),
        alerts=alerts, unsure=snapshot.unsure_alerts(model),
        refits=tuple(AcceptedRefit(job, *gate_bars(job)) for job in accepted[:REFITS]),
        others=tuple(job for job in jobs if job.kind != "action" and job not in accepted),
        calibrators=tuple(snapshot.serving_calibrators(model)), thresholds=_thresholds(snapshot, model),
        disparities=tuple(each for each in snapshot.disparities(model) if each.lower is not None and each.lower > 0)[:ROWS],
        delays=_of(model, snapshot.label_delays()),
        problem=_of(model, snapshot.failing_models()),
        pulls=tuple(each for each in snapshot.pulls(since, model, limit=100_000) if each.pulled_at <= until),
        quarantine=snapshot.quarantine_counts(model), set_aside=snapshot.quarantined_rows(model, limit=ROWS),
        readings=readings, objects=tuple(snapshot.objects_found(model, window, limit=WORST)),
        errors=tuple(each for each in snapshot.largest_errors(model) if since < each.observed_at <= until)[:WORST],
    )  # fmt: skip


def _of(model: str, rows: Sequence[Row]) -> Row | None:
    return next((row for row in rows if row["model"] == model), None)


def _in_trouble(known: Sequence[history.SliceReading], alerts: Sequence[history.Firing]) -> tuple[Slice, ...]:
    """The whole, then slices with alerts (pages first, as listed), then those whose ECE is surely above zero."""
    urgent = sorted(alerts, key=lambda alert: alert.severity != "page")
    sure = [reading.slice for reading in known if (reading.ece_lower or 0) > 0]
    there = {reading.slice for reading in known}
    names = dict.fromkeys(["all", *(alert.slice for alert in urgent if alert.slice in there), *sure])
    return tuple(Slice.parse(name) for name in list(names)[:DETAILED])


def _slice(
    snapshot: Snapshot, model: str, slice_: Slice, window: str, readings: Sequence[history.SliceReading],
    since: datetime, until: datetime,
) -> SliceReport:  # fmt: skip
    reading = next((reading for reading in readings if reading.slice == slice_.text), None)
    bars = snapshot.bars_of(model, reading) if reading is not None else ()
    return SliceReport(
        slice_, reading, snapshot.readings(model, slice_, window, until, since), snapshot.evidence(model, slice_, since, until),
        snapshot.events(model, slice_, since, until), bars,
    )  # fmt: skip


def _thresholds(snapshot: Snapshot, model: str) -> tuple[ThresholdReport, ...]:
    return tuple(
        ThresholdReport(t, snapshot.threshold_curve(model, t.scope, t.policy, t.calibrator, t.per, t.class_name))
        for t in snapshot.chosen_thresholds(model)
    )


def gate_bars(job: Job) -> tuple[Bars, Bars]:
    """The bars before and after that a refit left in its record; empty where it left none."""
    record = job.refit
    return (_bars(record.bars_before), _bars(record.bars_after)) if record else ((), ())


def _bars(rows: Sequence[tuple[float | None, ...]]) -> Bars:
    return tuple(
        ReliabilityBin(
            (place or 0) / SCORE_BINS, ((place or 0) + 1) / SCORE_BINS, samples or 0.0,
            **dict(zip(COLUMNS[1:], rest, strict=True)),
        )
        for place, samples, *rest in rows
    )  # fmt: skip
