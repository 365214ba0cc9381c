"""One model: its slices, sorted and filtered, with what fires on them; a heat map; calibrators in use."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from math import isnan

from monitor.charts.client import can_draw
from monitor.charts.heat import heat_dimensions
from monitor.model import AlertState, ModelStatus, Reading, ReadingState, RuleKind, Slice
from monitor.model.errors import UsageError
from monitor.publish.web.images import link_objects
from monitor.publish.web.pages.digest import Shown, open_alerts
from monitor.publish.web.pages.render import Context, Number, Text, cut_part, make_link
from monitor.publish.web.summary import sort_resolved

ROWS = 100  # slices on one page
ALERTS = 3
LEAST = 10  # slices of which least is found
WORST = "worst"

Value = Callable[[Reading], float | None]


def _metric(name: str) -> Value:
    return lambda reading: reading.metrics.get(name) if reading.state is ReadingState.OK else None


# What slices can be sorted by: name in the address → heading, value, and whether the largest come first at first.
SORTS: Mapping[str, tuple[str, Value | None, bool]] = {
    "slice": ("slice", None, False),
    "debiased": ("ECE, debiased", _metric("ece_debiased"), True),
    "ece": ("ECE", _metric("ece"), True),
    "luck": ("by luck", _metric("ece_null_quantile"), True),
    "evidence": ("drift evidence ÷ limit", None, True),
    "samples": ("samples", lambda reading: float(reading.samples), True),
    "labelled": ("labelled", lambda reading: reading.label_coverage, False),
    "gap": ("gap", _metric("calibration_gap"), True),
    "brier": ("Brier", _metric("brier_score"), True),
    "auroc": ("AUROC", _metric("auroc"), False),
}


def model_page(
    context: Context, *, model: str, window: Text = None, sort: str = WORST, find: str = "", show: str = "",
    page: Number = 1,
) -> str:  # fmt: skip
    """``sort``: a name of SORTS, with ``-`` before it the other way round; ``find``: words a slice's text must hold all of;
    ``show``: "firing", "unknown" or all. Raises UsageError for a model, window or sort there is not."""
    digest = context.digest
    if digest is None:
        return context.render_page("overview.html")
    status = digest.model(model)
    names = list(dict.fromkeys(reading.window for reading in status.readings))
    window = choose_window(status, names, window)
    firing = _firing(status)
    evidence = _evidence(status, firing)
    rows = _filtered(digest.slices(status, window), find, show, firing)
    ordered = _sorted(rows, sort, evidence)
    asked = {"model": model, "window": window, "find": find, "show": show}

    def to(number: int) -> str:
        return make_link("model", **asked, sort="" if sort == WORST else sort, page=number) + "#slices"

    settings = context.find_settings(model)
    wholes = [reading for reading in _with_objects(status, window) if not reading.slice.order]
    return context.render_page(
        "model.html", model=model, status=status, summary=digest.summaries[model],
        window=window, windows=[(name, make_link("model", **{**asked, "window": name}) + "#slices") for name in names],
        slices=cut_part(ordered, page, ROWS, to), all_slices=len(digest.slices(status, window)), firing=firing,
        evidence=evidence, versions=len({row.reading.version for row in rows}) > 1, find=find, show=show, sort=sort,
        headings=[(name, *_heading(name, sort, asked)) for name in SORTS], worst=make_link("model", **asked) + "#slices",
        dimensions=heat_dimensions(status), can_draw=can_draw(), meanings=digest.rule_summaries(model),
        wholes=wholes, least=_least_found(status, window),
        missed=link_objects(settings, status.missed), invented=link_objects(settings, status.invented),
        alerts=open_alerts(status.alerts), over=sort_resolved(status.alerts), most_alerts=ALERTS,
    )  # fmt: skip


def _with_objects(status: ModelStatus, window: str) -> list[Reading]:
    """Readings that know the objects there were."""
    return [each for each in status.readings if each.window == window and (each.metrics.get("truths") or 0) > 0]


def _least_found(status: ModelStatus, window: str) -> list[Reading]:
    """Slices with the lowest recall, at the thresholds in use or else of any score."""

    def key(reading: Reading) -> tuple[bool, float, float, Slice, str]:
        recall, ceiling = (reading.metrics.get(name) for name in ("threshold_recall", "recall_ceiling"))
        return recall is None, recall or 0.0, ceiling or 0.0, reading.slice, reading.version

    known = (each for each in _with_objects(status, window) if each.slice.order)
    return sorted((each for each in known if each.metrics.get("recall_ceiling") is not None), key=key)[:LEAST]


def choose_window(model: ModelStatus, names: list[str], asked: str | None) -> str:
    """The window asked for, or of those that the firing rules watch (or else all rules), the one with the most known
    readings. Raises UsageError for one that the model has no readings over."""
    if asked is not None:
        if asked not in names:
            raise UsageError(
                f'model "{model.name}" has no readings over window "{asked}"',
                f"known: {', '.join(names) or 'none yet'}",
            )
        return asked
    firing = {alert.rule for alert in model.alerts if alert.state is AlertState.FIRING}
    watched = {rule.name: rule.window for rule in model.rules if rule.kind is RuleKind.THRESHOLD}
    of_alerts = [window for window in names if window in {watched.get(rule) for rule in firing}]
    of_rules = [window for window in names if window in watched.values()]
    known = Counter(reading.window for reading in model.readings if reading.state is ReadingState.OK)
    return max(of_alerts or of_rules or names, key=lambda window: known[window], default="")


def _firing(model: ModelStatus) -> dict[tuple[Slice, str], list[str]]:
    found: dict[tuple[Slice, str], list[str]] = {}
    for alert in model.alerts:
        if alert.state is AlertState.FIRING:
            found.setdefault((alert.slice, alert.version), []).append(alert.rule)
    return found


def _evidence(model: ModelStatus, firing: Mapping[tuple[Slice, str], Sequence[str]]) -> dict[tuple[Slice, str], float]:
    """The highest ratio of the drift rules that judge the slice by now; of one that fires 1 at least: an alarm empties its
    evidence."""
    found: dict[tuple[Slice, str], float] = {}
    for held in model.evidence:
        if held.reference_missing is None and not isnan(held.ratio):
            key = held.slice, held.version
            least = 1.0 if held.rule in firing.get(key, ()) else 0.0
            found[key] = max(held.ratio, least, found.get(key, 0.0))
    return found


def _filtered(
    rows: Sequence[Shown], find: str, show: str, firing: Mapping[tuple[Slice, str], list[str]]
) -> Sequence[Shown]:
    for word in find.split():
        rows = [row for row in rows if word in row.text]
    if show == "firing":
        return [row for row in rows if (row.reading.slice, row.reading.version) in firing]
    if show == "unknown":
        return [row for row in rows if row.reading.state is not ReadingState.OK]
    return rows


def _sorted(rows: Sequence[Shown], sort: str, evidence: Mapping[tuple[Slice, str], float]) -> Sequence[Shown]:
    """What is not known comes last either way."""
    if sort == WORST:
        return rows
    name = sort.removeprefix("-")
    if name not in SORTS:
        raise UsageError(f'slices cannot be sorted by "{sort}"', f"known: {WORST}, {', '.join(SORTS)}")
    _, value, falling = SORTS[name]
    falling = falling is not sort.startswith("-")
    if name == "slice":
        return sorted(rows, key=lambda row: row.text, reverse=falling)
    of = value or (lambda reading: evidence.get((reading.slice, reading.version)))
    keyed = [(of(row.reading), row) for row in rows]
    known = sorted(((key, row) for key, row in keyed if key is not None), key=lambda pair: pair[0], reverse=falling)
    return [row for _, row in known] + [row for key, row in keyed if key is None]


def _heading(name: str, sort: str, asked: Mapping[str, str]) -> tuple[str, str, str]:
    """Its text, where it leads, and how the column is sorted now ("" = it is not)."""
    text, _, falling = SORTS[name]
    turned = f"-{name}" if sort == name else name
    now = "" if sort.removeprefix("-") != name else "descending" if falling is not sort.startswith("-") else "ascending"
    return text, make_link("model", **asked, sort=turned) + "#slices", now
