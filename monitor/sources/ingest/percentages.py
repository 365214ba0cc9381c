"""Scores that are percentages, or declared as such and are none: as a file shows, or a source over small files and pushes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from monitor.model.wording import quantity

RefusalReason = Literal[
    "foreign_zone",
    "no_percentages",
    "percentages",
    "scores_of_predicted_class",
    "undecided_outcome",
    "unknown_positive",
    "mixed_boxes",
    "box_layout",
]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nothing of a file is taken. ``why`` goes on from its name; ``may_pass``: another file can settle it."""

    reason: RefusalReason
    why: str
    may_pass: bool = False


@dataclass(frozen=True, slots=True)
class Review:
    """What was found of the files of a batch. ``take_back``: numbers of earlier files that turn out to be of the same kind."""

    refused: dict[str, Refusal] = field(default_factory=dict)  # by file
    facts: dict[str, str] = field(default_factory=dict)  # of the source, that are new
    take_back: dict[int, RefusalReason] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Seen:
    """One file's rows in numbers."""

    file: str
    file_id: int
    total: int
    timeless: int = 0  # times that cannot be read
    scores: int = 0  # of rows that say something of their file
    percent: int = 0
    taken: int = 0  # scores of rows that can be taken
    above: int = 0  # of these above one hundredth
    low: int = 0  # scores below one half
    classed: int = 0  # rows with a predicted class
    minus: int = 0
    plus: int = 0
    zero: int = 0
    understood: int = 0  # labels that are outcomes
    classes: tuple[str, ...] = ()  # the first and the last predicted class
    names: tuple[str, ...] = ()  # labels that are no outcomes, the first and the last


RECENT_ROWS = 1_000  # of a source, over files and pushes
PERCENT_ROWS, PERCENT_SHARE = 20, 0.01  # scores in (1, 100] that make a file one of percentages
HELD_DAYS = 1  # a refused file that is no longer tried speaks for so long against those refused with it
_MIXED, _NEXT = (
    0.1,
    0.5,
)  # share between 0.1 and 1 from which scores may be of two units; of one unit so many go on above
PERCENT, FRACTIONS = "recent_percentages", "first_percentages"  # facts


def review_percent(seen: Sequence[Seen], facts: Mapping[str, str], found: Review, today: int) -> None:
    """Add to ``found`` which files hold percentages. ``today``: a day's number.

    ``clean``: rows before any percentage, up to ``RECENT_ROWS``: from then on files are remembered from the first that
    holds one. ``recent``: [number, rows, percentages] of files, oldest first. ``held``: those refused for what others hold,
    number → [percentages, day]: they stay so when newer ones have taken their place among the recent."""
    told = facts.get(PERCENT, '{"clean": 0, "recent": [], "held": {}}')
    state: dict[str, Any] = json.loads(told)
    recent: list[list[int]] = state["recent"]
    held: dict[str, list[int]] = {
        number: entry for number, entry in state["held"].items() if today - entry[1] <= HELD_DAYS
    }
    for one in seen:
        if not one.scores:
            continue
        if one.percent >= PERCENT_ROWS and one.percent >= PERCENT_SHARE * one.scores:
            found.refused[one.file] = _percentages(f"{one.percent:,} of {quantity(one.scores, 'score')} lie")
            continue
        key = str(one.file_id)
        recent = _newest(recent, [one.file_id, one.scores, one.percent])
        if key in held:
            held[key] = [one.percent, today]
        outside, rows = sum(entry[2] for entry in recent), sum(entry[1] for entry in recent)
        together = sum(entry[0] for entry in held.values())
        if outside >= PERCENT_ROWS and outside >= PERCENT_SHARE * rows:
            found.refused[one.file] = _percentages(f"{outside:,} of the source's newest {quantity(rows, 'score')} lie")
            found.take_back.update({number: "percentages" for number, *_ in recent if number != one.file_id})
            # pushes (below 0) do not come again
            held |= {str(number): [percent, today] for number, _, percent in recent if number >= 0}
        elif key in held and together >= PERCENT_ROWS:
            found.refused[one.file] = _percentages(f"{together:,} scores of the files that are refused with it lie")
        else:
            held.pop(key, None)
        if not outside:
            state["clean"] = min(state["clean"] + one.scores, RECENT_ROWS)
            recent = recent if state["clean"] < RECENT_ROWS else []
    news = json.dumps({"clean": state["clean"], "recent": recent, "held": held})
    if news != told:
        found.facts[PERCENT] = news


def review_fractions(seen: Sequence[Seen], facts: Mapping[str, str], found: Review) -> None:
    """Add to ``found`` which files of a source of percentages hold probabilities: none of its first scores is above 1. Once
    one is, the source's scores are what they were said to be."""
    told = facts.get(FRACTIONS, '{"rows": 0, "files": []}')
    state: dict[str, Any] = json.loads(told)
    for one in seen:
        if state.get("percent"):
            break
        if one.above:
            state = {"percent": True}
        elif one.taken:
            rows = state["rows"] + one.taken
            if rows >= PERCENT_ROWS:
                found.refused[one.file] = _no_percentages(rows)
                found.take_back.update(dict.fromkeys(state["files"], "no_percentages"))
                state = {"rows": PERCENT_ROWS, "files": []}  # from here on whatever is no more is refused
            else:
                state = {"rows": rows, "files": [*state["files"], one.file_id]}
    if json.dumps(state) != told:
        found.facts[FRACTIONS] = json.dumps(state)


def mixes_units(small: int, next_: int, scores: int) -> bool:
    """Whether percentages may be probabilities in part: many lie between 0.1 and 1 (``small``), and hardly any in the decade
    above (``next_``), where those of a rare class go on.

    >>> mixes_units(45, 5, 100), mixes_units(30, 25, 100)
    (True, False)
    """
    return small >= _MIXED * scores and next_ < _NEXT * small


def _no_percentages(rows: int) -> Refusal:
    return Refusal(
        "no_percentages",
        f"no score of {quantity(rows, 'row')} is above 1, so they are taken to be probabilities, though score_unit is "
        '"percent"; nothing of it was taken. Leave score_unit out of [model.source]; percentages that are so small: divide '
        "them by 100",
    )


def _percentages(where: str) -> Refusal:
    return Refusal(
        "percentages",
        f"{where} between 1 and 100, so all of them are taken to be percentages, and nothing of it was taken. If they are, set "
        'score_unit = "percent" in [model.source], else see what the column holds',
    )


def _newest(entries: Sequence[list[int]], one: list[int]) -> list[list[int]]:
    """Those of the entries that make up the newest ``RECENT_ROWS`` rows, with one more: a file that is tried again keeps its
    place."""
    numbers = [entry[0] for entry in entries]
    kept = [one if entry[0] == one[0] else entry for entry in entries]
    if one[0] not in numbers:
        kept.append(one)
    rows = sum(entry[1] for entry in kept)
    while rows - kept[0][1] >= RECENT_ROWS:
        rows -= kept.pop(0)[1]
    return kept
