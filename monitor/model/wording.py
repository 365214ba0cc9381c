"""Numbers, times and findings as people read them, said the same way in alerts, on the page and on the command line."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from math import ceil, copysign, floor, inf, isnan, log10
from sys import float_info

from monitor.model.durations import format_duration
from monitor.model.evidence import LabelDelays, Shift
from monitor.model.intake import FoldedValues, GroupSpans, Straddling, WaitingLabels
from monitor.model.nouns import quantity as quantity
from monitor.model.slices import Task

UNKNOWN = "–"

_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_PERIODS = (("day", 365.0), ("week", 365 / 7), ("month", 12.0), ("year", 1.0))  # and how many a year has
_OUTCOMES = {  # what outcome 1 and outcome 0 are called
    Task.BINARY: ("positives", "negatives"),
    Task.MULTICLASS: ("right predictions", "wrong predictions"),
    Task.DETECTION: ("matched boxes", "unmatched boxes"),
    Task.SEGMENTATION: ("pixels of the class", "pixels outside it"),
}


def format_number(value: float | None, form: str) -> str:
    """By Python's format ``form``, with a true minus sign; a dash when it is not known: None or NaN."""
    if value is None or isnan(value):
        return UNKNOWN
    text = f"{value:{form}}" if abs(value) < float_info.max else f"{copysign(inf, value):{form}}".replace("inf", "∞")
    return f"−{text[1:]}" if text.startswith("-") else text


def number(value: float | None, digits: int = 3) -> str:
    """Rounded, with a true minus sign; a dash when it is not known."""
    return format_number(value, f".{digits}f")


def rough_duration(duration: timedelta) -> str:
    """As people would say how long it has been: ``294d15h``, ``2h5m``, ``40s``; what is below that is left out."""
    unit = timedelta(hours=1) if duration >= timedelta(days=1) else timedelta(minutes=1)
    return format_duration(duration // unit * unit if duration >= timedelta(hours=1) else duration)


def first_few(names: Sequence[str], most: int = 3, count: int | None = None) -> str:
    """``a, b, c and 4 more``; ``count``: how many there are, where ``names`` are the first of them."""
    beyond = (count or len(names)) - most
    return ", ".join(names[:most]) + (f" and {beyond:,} more" if beyond > 0 else "")


def signed_number(value: float | None) -> str:
    """``+0.083`` or ``−0.250``."""
    return format_number(value, "+.3f")


def percent(value: float | None) -> str:
    """``83 %``."""
    return format_number(value, ".0%").replace("%", " %")


def amount(nats: float) -> str:
    """For reasons in words: three decimals, or two significant digits where those would all be zeros."""
    if not 0 < abs(nats) < 0.001:
        return format_number(nats, ".3f")
    return format_number(nats, f".{1 - floor(log10(abs(nats)))}f")


def exact_percent(confidence: float) -> str:
    """0.95 → ``95 %``; 0.995 → ``99.5 %``."""
    return f"{100 * confidence:g} %"


def interval(low: float | None, high: float | None) -> str:
    """``0.012 to 0.034``; an interval with an unknown bound is a dash."""
    ends = number(low), number(high)
    return UNKNOWN if UNKNOWN in ends else " to ".join(ends)


def minute(at: datetime | None) -> str:
    """``2026-02-01 03:00``, in UTC; a time without its marker is UTC already."""
    if at is None:
        return UNKNOWN
    return f"{at.astimezone(UTC) if at.tzinfo else at:%Y-%m-%d %H:%M}"


def moment(at: datetime) -> str:
    """``2026-02-01 03:00 UTC``."""
    return f"{minute(at)} UTC"


def moment_of(text: str) -> str:
    """Return ``2026-02-01 03:00 UTC`` of a time in ISO 8601."""
    return moment(datetime.fromisoformat(text))


def minute_of(text: str) -> str:
    """Return ``2026-02-01 03:00`` of a time in ISO 8601."""
    return minute(datetime.fromisoformat(text))


def duration_of(seconds: float) -> str:
    """Return ``30m`` of so many seconds."""
    return format_duration(timedelta(seconds=seconds))


def span(length: timedelta) -> str:
    """A length of time in its one fitting unit: ``45 s``, ``12 min``, ``7 h``, ``3 d``."""
    seconds = max(length.total_seconds(), 0)
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def describe_silence(last_at: datetime | None, window: str) -> str:
    """That a model has no sample to measure; ``last_at``: of its newest one, None: none ever came; ``window``: its longest."""
    if last_at is None:
        return "no samples yet"
    return f"no samples {f'within {window}' if window else 'in any window'}; last at {moment(last_at)}"


def short_number(value: float) -> str:
    """Three digits, and no fraction from a thousand on: ``0.0833``, ``3.2``, ``12,345``, ``−0.05``."""
    return format_number(value, ",.0f" if abs(value) >= 1000 else ".3g")


def multiple(ratio: float) -> str:
    """``3.2 times``; beyond a million the digits say nothing."""
    return "more than a million times" if ratio > 1e6 else f"{short_number(ratio)} times"


def frequency(per_year: float) -> str:
    """How often something happens that happens ``per_year`` > 0 times a year on average.

    1 → once a year, 12 → once a month, 4 → four times a year, 0.1 → once in ten years; in the shortest period that it
    fills a whole number of times, else with digits: 5.5 times a year, once in 3.3 years.
    """
    for name, in_a_year in _PERIODS:
        count = per_year / in_a_year
        if count > 0.999 and abs(count - round(count)) < 0.001 * count:
            return f"{_how_often(round(count))} a {name}"
    if per_year > 1:
        return f"{short_number(per_year)} times a year"
    years = 1 / per_year
    whole = abs(years - round(years)) < 0.001 * years
    return f"once in {_in_words(round(years)) if whole else f'{years:.2g}'} years"


def _how_often(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count) or f"{_in_words(count)} times"


def _in_words(count: int) -> str:
    return _WORDS[count] if count < len(_WORDS) else f"{count:,}"


def describe_later_labels(delays: LabelDelays, task: Task) -> str:
    """Whose labels arrive later, for delays that depend on the outcome: ``labels of wrong predictions arrive later …``."""
    earlier = 0.5 if delays.earlier is None else delays.earlier
    pairs = [(_OUTCOMES[task][0], delays.median_true), (_OUTCOMES[task][1], delays.median_false)]
    (late, late_median), (early, early_median) = pairs if earlier < 0.5 else pairs[::-1]
    how = f"in {100 * max(earlier, 1 - earlier):.0f} of 100 pairs with equal scores"
    if (
        late_median
        and early_median is not None
        and late_median > early_median
        and span(late_median) != span(early_median)
    ):
        how = f"median {span(late_median)} against {span(early_median)}"
    return f"labels of {late} arrive later than those of {early} ({how})"


def describe_delays(delays: LabelDelays, task: Task) -> str:
    """What is known of a model's label delays, and what to do, as a sentence without its stop."""
    if delays.depends is None:
        return f"whether label delay depends on the outcome is unknown: {delays.unknown}"
    if delays.depends:
        settled = "" if delays.settled is None else format_duration(round_up(delays.settled))
        cure = settled and f'; label_maturity = "{settled}" would wait for them'
        return (
            f"{describe_later_labels(delays, task)}, so the false-alarm budget of drift rules is not guaranteed{cure}"
        )
    if delays.settled is not None and delays.settled <= delays.label_maturity:
        return f"labels arrive before their bucket is judged, as far as {quantity(delays.samples)} show"
    return f"label delay does not depend on the outcome, as far as {quantity(delays.samples)} show"


def round_up(length: timedelta) -> timedelta:
    """Return the length rounded up to whole hours, or to minutes below two hours."""
    unit = timedelta(hours=1) if length >= timedelta(hours=2) else timedelta(minutes=1)
    return ceil(length / unit) * unit


def describe_shifts(shifts: Sequence[Shift], reference: str) -> str:
    """``over-confident above 0.8 (expected 0.93, came true 0.81)``, two joined by "and"; "" where there is none."""
    suffix = " compared with its first samples" if shifts and reference == "deployment" else ""
    return " and ".join(map(_describe_shift, shifts)) + suffix


def _describe_shift(shift: Shift) -> str:
    if shift.low > 0:
        where = f"above {shift.low:g}" if shift.high == 1 else f"from {shift.low:g} to {shift.high:g}"
    else:
        where = "at all scores" if shift.high == 1 else f"below {shift.high:g}"
    # with as many digits, from two on, as tell the two apart
    digits = next((d for d in range(2, 6) if f"{shift.expected:.{d}f}" != f"{shift.happened:.{d}f}"), 6)
    rates = f"expected {shift.expected:.{digits}f}, came true {shift.happened:.{digits}f}"
    return f"{shift.confidence}-confident {where} ({rates})"


def sentence(text: str) -> str:
    """Return a clause with a capital at its beginning and a stop at its end."""
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('?') else '.'}"


def quote_names(names: Sequence[str]) -> str:
    """``"0.0", "1.0"``, long ones shortened."""
    return ", ".join(f'"{each if len(each) <= 60 else each[:59] + "…"}"' for each in names)


def describe_set_aside(item: str, reason: str, remedy: str) -> str:
    """Why a file is no longer read, and what to do."""
    return f"{item}: {reason}. {remedy}. It is read again when it changes, or after: calwatch retry"


def describe_waiting(waiting: WaitingLabels) -> str:
    """How many labels wait, since when, ids of both sides and why, as a sentence without its stop; "" where none waits."""
    if not waiting.labels or waiting.oldest_at is None:
        return ""
    one = waiting.labels == 1
    said = f"{quantity(waiting.labels, 'label')} {'waits for its' if one else 'wait for their'} prediction, "
    said += f"since {moment(waiting.oldest_at)}" if one else f"the oldest since {moment(waiting.oldest_at)}"
    if waiting.share is not None:
        whole = waiting.due + waiting.joined
        said += f"; of the newest {whole:,} whose prediction should be there {waiting.due:,} found none"
    if waiting.label_examples:
        said += f"; ids of labels {quote_names(waiting.label_examples)}"
        unlabelled = quote_names(waiting.prediction_examples)
        said += f", of predictions without a label {unlabelled}" if unlabelled else ", and no prediction lacks a label"
    return f"{said}; {waiting.guess}" if waiting.guess else said


def describe_straddling(found: Straddling, bucket: timedelta) -> str:
    """Which share of rows lies in groups that span buckets and days, and what that means, as a sentence without its stop."""
    said = f"{describe_bucket_spans(found, bucket)}, {_part(found.over_days)} in groups that span days"
    if not found.suspicious:
        return said
    longest = ", ".join(
        f"{quote_names([name])} with {quantity(rows, 'row')} over {span(length)}"
        for name, rows, length in zip(found.examples, found.example_rows, found.example_lengths, strict=True)
    )
    return (
        f"{said}, such as {longest}: the false-alarm budget of drift rules does not hold for them, intervals are too narrow, "
        "and refits find few later samples; is group_id the patient or the camera rather than the visit or the image? Where "
        "short clips merely cross the hour, a longer bucket in [[model]] leaves fewer of them"
    )


def describe_bucket_spans(found: Straddling, bucket: timedelta) -> str:
    """``97 % of the rows lie in groups that span buckets of 1h``."""
    return f"{_part(found.over_buckets)} of the rows lie in groups that span buckets of {format_duration(bucket)}"


def describe_spans(spans: GroupSpans) -> str:
    """The same of a model's newest rows, and how many of them name no group."""
    alone = describe_alone(spans.straddling)
    said = f"{describe_straddling(spans.straddling, spans.bucket)} (rows since {minute(spans.since)} UTC)"
    return f"{said}; {alone}" if alone else said


def describe_alone(found: Straddling) -> str:
    """Which share of rows has no group_id while others have one, and what that means, as a sentence without its stop; "" where
    all have one, or none."""
    if not found.grouped or found.grouped == found.rows:
        return ""
    said = describe_share_alone(found)
    if not found.partly_alone:
        return said
    return (
        f"{said}: where they belong together, drift rules raise false alarms on them and intervals are too narrow; is their "
        "group missing? Fill group_id in every row; one that is truly by itself takes an id of its own, such as its sample_id"
    )


def describe_share_alone(found: Straddling) -> str:
    """``33 % of the rows have no group_id and count as independent``."""
    return f"{_part(found.alone)} of the rows have no group_id and count as independent"


_FOLDED = {  # what more than a limit means, and what to do
    "version": "rows of later ones count as version __other__, which is measured but not judged for drift: is version that "
    "of the model, and not of each row? Else raise max_versions in [[model]]",
    "calibrator": "rows of later ones count as calibrator __other__: is calibrator the id of what calibrated the scores, and "
    "not of each row? Else raise max_versions in [[model]]",
    "slice": "rows of later ones count as __other__: does the column name a part of the traffic, and not each row? Else raise "
    "max_slice_values in [[model]]",
}


def describe_folded(folded: FoldedValues) -> str:
    """What is beyond a limit, what that means and what to do, as a sentence."""
    such = f", such as {quote_names([make_visible(each) for each in folded.examples])}" if folded.examples else ""
    if folded.kind == "drift":
        return (
            f"{quantity(folded.rows, 'version')}{such}: not judged for drift by rule {folded.name}, since its budget "
            f"of false alarms cannot be shared among so many at once: is version that of the model, and not of each row?"
        )
    what = f"values of {folded.name}" if folded.kind == "slice" else f"{folded.kind}s"
    limit = "max_slice_values" if folded.kind == "slice" else "max_versions"
    return (
        f"more than {folded.most:,} {what} within retention ({limit}), {quantity(folded.rows, 'row')} of others{such}, the "
        f"last {moment(folded.newest_at)}; {_FOLDED[folded.kind]}"
    )


_PICTURES = {code: 0x2400 + code for code in range(32)} | {127: 0x2421} | dict.fromkeys(range(128, 160), 0xFFFD)


def make_visible(text: str, *, lines: bool = False) -> str:
    """The text with signs for control characters, which would command a terminal or end a line: ``\\x1b`` → ``␛``.

    With ``lines``, line breaks stay. What is no text at all, such as half of a character, becomes a question mark.
    """
    if text.isprintable():
        return text
    table = {code: sign for code, sign in _PICTURES.items() if not (lines and code == 10)}
    return text.translate(table).encode("utf-8", "replace").decode("utf-8")


def _part(share: float) -> str:
    """``none``, ``0.3 %``, ``97 %``: a share that is not nothing never reads as nothing, nor as all."""
    if share in (0, 1):
        return "all" if share else "none"
    if share < 0.001:
        return "under 0.1 %"
    return f"{100 * share:.1f} %" if share < 0.1 or share > 0.99 else f"{100 * share:.0f} %"
