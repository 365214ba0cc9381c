"""What to do about rows that were set aside and files that cannot be read, as remedies.toml says it."""

import tomllib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from importlib.resources import files
from itertools import accumulate

from monitor.model.durations import format_duration
from monitor.model.wording import rough_duration

Lateness = tuple[float, float, int]  # seconds from predictions to labels that come too late: median, longest; how many

# by what cannot be taken: rows, by the reason why they are set aside, and files, by how they fail
TEXTS = tomllib.loads(files("monitor.sources").joinpath("remedies.toml").read_text("utf-8"))
REMEDIES: Mapping[str, str] = TEXTS["rows"]


def tell_remedy(reason: str, late: Sequence[Lateness] = (), horizon: timedelta | None = None) -> str:
    """Return what to do in brackets, with a blank in front; "" where nothing is known to do. ``late``: of each batch."""
    said = REMEDIES.get(reason, "")
    if reason == "label_too_late" and late and horizon is not None:
        said = describe_lateness(late, horizon)
    return f" ({said})" if said else ""


def describe_lateness(late: Sequence[Lateness], horizon: timedelta) -> str:
    """Return ``raise label_horizon (1h): …`` with how long labels that come too late take; ``late`` holds at least one."""
    ranked = sorted(late)
    half = sum(count for *_, count in ranked) / 2
    counts = accumulate(count for *_, count in ranked)
    median = next(each[0] for each, count in zip(ranked, counts, strict=True) if count >= half)
    longest = rough_duration(timedelta(seconds=max(longest for _, longest, _ in late)))
    return (
        f"raise label_horizon ({format_duration(horizon)}): labels that come later take "
        f"{rough_duration(timedelta(seconds=median))} at the median, {longest} at most"
    )
