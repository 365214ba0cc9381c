"""Versions of a model in the answers of the command line: named where it has several, so that no two lines look the same."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from monitor.model import Slice
from monitor.model.nouns import quantity
from monitor.model.reasons import Code

Row = Mapping[str, Any]


def find_several(rows: Iterable[Row]) -> frozenset[str]:
    """Return the models of which the rows are of more than one version; "" is none: a camera falls silent, not a version."""
    seen: dict[str, set[str]] = {}
    for row in rows:
        if row["version"]:
            seen.setdefault(row["model"], set()).add(row["version"])
    return frozenset(model for model, versions in seen.items() if len(versions) > 1)


def name_place(row: Row, several: Collection[str]) -> str:
    """``camera=gate``, of a model that has several versions ``camera=gate, version v2``."""
    named = row["version"] and row["model"] in several
    return f"{row['slice']}, version {row['version']}" if named else str(row["slice"])


def version_column(rows: Sequence[Row], text: str = "version") -> tuple[str, ...]:
    """A column that tells versions apart, where one of the models shown has several (``versions``: how many)."""
    return telling_column(any(row.get("versions", 1) > 1 for row in rows), text)


def telling_column(several: bool, text: str = "model") -> tuple[str, ...]:
    """A column that tells models, or versions, apart where there are several."""
    return (text,) if several else ()


def tell_unknown(rows: Iterable[Row], several: Collection[str]) -> Iterator[str]:
    """Alerts whose condition is not known, a line each; slices of a version that a drift rule does not judge yet in one line,
    that of the widest."""
    waiting: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        if row["code"] == Code.DRIFT_NOT_JUDGED:
            waiting.setdefault((row["model"], row["rule"], row["version"]), []).append(row)
        else:
            yield _unknown(row, name_place(row, several))
    for own in waiting.values():
        first = min(own, key=lambda row: (Slice.parse(row["slice"]).order, row["slice"]))
        more = f"; nor is it on {quantity(len(own) - 1, 'slice')} more" if len(own) > 1 else ""
        yield _unknown(first, name_place(first, several)) + more


def _unknown(row: Row, place: str) -> str:
    return f"UNKNOWN {row['model']} {row['rule']} on {place}: {row['reason']}"
