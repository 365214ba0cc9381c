"""Numbers, times and changes as people read them; the filters of the page's templates."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from markupsafe import Markup

from monitor.model import Job, Reading

UNKNOWN = "–"
_LONGEST = 120  # characters of a name shown in a table


def number(value: float | None, digits: int = 3) -> str:
    """Rounded, with a true minus sign; a dash when it is not known."""
    return UNKNOWN if value is None else f"{value:.{digits}f}".replace("-", "−")


def signed(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:+.3f}".replace("-", "−")


def share(value: float | None) -> str:
    return UNKNOWN if value is None else f"{100 * value:.0f} %"


def moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def span(length: timedelta) -> str:
    """A length of time in its one fitting unit: ``45 s``, ``12 min``, ``7 h``, ``3 d``."""
    seconds = max(length.total_seconds(), 0)
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def shortened(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


def breakable(text: str) -> Markup:
    """HTML in which a line may end after each comma; everything else is escaped."""
    return Markup(",<wbr>").join(text.split(","))


def lacking(reading: Reading, needed: int) -> str:
    """What an insufficient reading lacks, in words; ``needed`` is the model's min_samples."""
    waiting = f"{reading.unlabelled:,} wait for a label" if reading.unlabelled else "none waits for a label"
    return f"insufficient: {reading.samples:,} labelled of {needed:,} needed, {waiting}"


def change(job: Job) -> str:
    """``ECE 0.083 → 0.012, log-loss 0.41 → 0.39`` on the gate's samples; empty when the job did not get that far."""
    before, after = job.details.get("before"), job.details.get("after")
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        return ""
    parts = []
    for key, name in (("ece", "ECE"), ("log_loss", "log-loss"), ("brier", "Brier")):
        old, new = before.get(key), after.get(key)
        if isinstance(old, int | float) and isinstance(new, int | float):
            parts.append(f"{name} {number(old)} → {number(new)}")
    return ", ".join(parts)
