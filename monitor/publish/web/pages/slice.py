"""One slice: its reliability, its calibration error over time with what happened meanwhile, its drift evidence."""

from contextlib import suppress
from datetime import timedelta

from monitor.charts.client import can_draw
from monitor.model import (
    Alert,
    AlertState,
    CalibratorInUse,
    Evidence,
    ModelStatus,
    Reading,
    ReadingState,
    ReliabilityBin,
    Slice,
)
from monitor.model.errors import StoreError, UsageError
from monitor.publish.web.pages.advice import make_advice
from monitor.publish.web.pages.digest import open_alerts
from monitor.publish.web.pages.model import choose_window
from monitor.publish.web.pages.render import Context, Past, SliceText, Text, demand_known, make_link
from monitor.publish.web.summary import sort_resolved

SPANS = {"7d": timedelta(days=7), "30d": timedelta(days=30), "90d": timedelta(days=90), "2y": timedelta(days=730)}
SPAN = "90d"
EVENTS = 30


def slice_page(
    context: Context, past: Past, *, model: str, slice_text: SliceText, version: Text = None, window: Text = None,
    span: str = SPAN,
) -> str:  # fmt: skip
    """``span``: how far the courses go back, one of SPANS. Raises UsageError for anything there is not."""
    digest = context.digest
    if digest is None:
        return context.render_page("overview.html")
    status = digest.model(model)
    chosen = parse_slice(slice_text)
    own = [reading for reading in status.readings if reading.slice == chosen]
    if not own:
        raise UsageError(
            f'model "{model}" has no reading of slice "{slice_text}"', "its slices are on the model's page"
        )
    window = choose_window(status, list(dict.fromkeys(reading.window for reading in own)), window)
    reading = reading_of(own, window, version)
    asked = {"model": model, "slice": slice_text, "version": reading.version, "window": window, "span": span}
    since = digest.published.at - span_of(span)

    def to(**changed: str) -> str:
        return make_link("slice", **{**asked, **changed})

    events = None
    # the present can be shown without the past
    with suppress(StoreError), past() as history:
        events = history.events(model, chosen, since, digest.published.at)
    alerts = [alert for alert in status.alerts if alert.slice == chosen]
    evidence = [each for each in status.evidence if each.slice == chosen]
    charge = calibrator_of(status, chosen)
    firing = {alert.slice for alert in status.alerts if alert.state is AlertState.FIRING}
    return context.render_page(
        "slice.html", model=model, status=status, slice=chosen, reading=reading,
        windows=[(name, to(window=name)) for name in dict.fromkeys(each.window for each in own)],
        versions=[(name, to(version=name)) for name in dict.fromkeys(each.version for each in own)],
        spans=[(name, to(span=name) + "#course") for name in SPANS], span=span, asked=asked,
        bins=[(each, _misses(each)) for each in reading.reliability if each.samples > 0],
        alerts=[*open_alerts(alerts), *sort_resolved(alerts)],
        meanings=digest.rule_summaries(model), state=_state(reading, alerts, evidence),
        advice=make_advice(status, chosen, charge),
        evidence=evidence,
        charge=charge,
        thresholds=[each for each in status.thresholds if each.scope.contains(chosen)],
        events=None if events is None else events[::-1][:EVENTS], more_events=len(events or ()) - EVENTS, can_draw=can_draw(),
        parents=[(part, to(slice=part.text), part in firing) for part in _around(chosen)],
    )  # fmt: skip


def parse_slice(text: str) -> Slice:
    """The slice of an address. Raises UsageError when the text names none."""
    try:
        return Slice.parse(text)
    except ValueError as error:
        raise UsageError(str(error)) from error


def span_of(name: str) -> timedelta:
    """Raises UsageError for a name that is not in SPANS."""
    demand_known("span", name, SPANS)
    return SPANS[name]


def reading_of(own: list[Reading], window: str, version: str | None) -> Reading:
    """Of a slice's readings that over the window, of the version asked for or else of the one with most samples.

    Raises UsageError for a version there is not.
    """
    fitting = [reading for reading in own if reading.window == window and version in (None, reading.version)]
    if not fitting:
        of = f' of version "{version}"' if version is not None else ""
        known = dict.fromkeys(f"{each.version} over {each.window}" for each in own)
        raise UsageError(f"the slice has no reading{of} over {window}", f"known: {', '.join(known)}")
    return max(fitting, key=lambda reading: reading.samples)


def calibrator_of(status: ModelStatus, slice_: Slice) -> CalibratorInUse | None:
    """The calibrator whose samples a slice is compared over: that of the finest scope which holds it."""
    fitting = (each for each in status.calibrators if each.scope.contains(slice_))
    return max(fitting, key=lambda each: each.scope.order, default=None)


def _state(reading: Reading, alerts: list[Alert], evidence: list[Evidence]) -> str:
    """The slice in one word: what fires wins over what is not known, that over what is pending. ``evidence``: of the slice;
    where it lacks a reference the slice is not judged."""
    states = {alert.state for alert in alerts}
    if AlertState.FIRING in states:
        return "firing"
    lacks = any(each.reference_missing is not None for each in evidence if each.version == reading.version)
    if reading.state is not ReadingState.OK or lacks:
        return "unknown"
    return "pending" if AlertState.PENDING in states else "healthy"


def _misses(each: ReliabilityBin) -> bool:
    """Whether the bin's 95 % interval leaves out its mean score, as one in twenty does by luck."""
    if each.mean_score is None or each.rate_lower is None or each.rate_upper is None:
        return False
    return not each.rate_lower <= each.mean_score <= each.rate_upper


def _around(slice_: Slice) -> list[Slice]:
    """The slices that hold this one: the whole, and this one with one dimension taken away."""
    if not slice_.order:
        return []
    less = [Slice(tuple(label for label in slice_.labels if label != gone)) for gone in slice_.labels]
    return list(dict.fromkeys([Slice(), *less]))
