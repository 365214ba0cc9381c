"""What the values of a file say about the whole of it: why nothing of it may be taken although each row could be.

    percentages                 scores up to 100 beside scores below 1
    scores_of_predicted_class   a binary model whose scores never fall below one half, whichever class it predicts
    undecided_outcome           −1 while nobody knows yet whether it stands for 0; or −1 beside 0
    unknown_positive            labels that are names, and no word on which of them the score speaks of

Sources that come in many small files or pushes are looked at over their newest rows. What has been found of a source is
remembered as facts (``source_facts``).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import duckdb

from monitor.model import Task
from monitor.sourcesettings import Source as SourceConfig
from monitor.store.sql import statement
from monitor.store.staging import CLIPPED
from monitor.store.values import LabelRules
from monitor.wording import counted, first_few

RECENT_ROWS = 1_000  # of a source, over files and pushes
PERCENT_ROWS, PERCENT_SHARE = 20, 0.01  # scores in (1, 100] that make a file one of percentages
ONE_SIDED_ROWS = 50  # predictions of both classes without a score below one half
HELD_DAYS = 1  # a refused file that is no longer tried speaks for so long against those refused with it

RefusalReason = Literal["percentages", "scores_of_predicted_class", "undecided_outcome", "unknown_positive"]
SIGNS, PERCENT, ONE_SIDED = "outcomes_seen", "recent_percentages", "recent_one_sided"  # facts


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nothing of a file is taken. ``why`` goes on from its name; ``may_pass``: another file can settle it."""

    reason: RefusalReason
    why: str
    may_pass: bool = False


@dataclass(frozen=True, slots=True)
class Review:
    """What was found of the files of a batch. ``take_back``: numbers of earlier files that turn out to be of the same kind."""

    refused: Mapping[str, Refusal]  # by file
    facts: Mapping[str, str]  # of the source, that are new
    take_back: Mapping[int, RefusalReason] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Seen:
    """One file's rows in numbers."""

    file: str
    file_id: int
    scores: int
    percent: int
    low: int  # scores below one half
    classed: int  # rows with a predicted class
    classes: tuple[str, ...]  # the first and the last of them
    minus: int
    plus: int
    zero: int
    understood: int  # labels that are outcomes
    names: tuple[str, ...]  # labels that are no outcomes, the first and the last


def review_files(
    connection: duckdb.DuckDBPyConnection, rules: LabelRules, meaning: SourceConfig, facts: Mapping[str, str],
    numbers: Mapping[str, int], *, names_matter: bool = True, now: datetime | None = None,
) -> Review:  # fmt: skip
    """Look at `staged`, file by file. ``numbers``: file → its number; ``names_matter``: whether labels that are names need
    ``positive``; ``now``: so that files refused together are let go once some of them are gone, None: they are not."""
    seen = _look(connection, numbers)
    refused: dict[str, Refusal] = {}
    found: dict[str, str] = {}
    take_back: dict[int, RefusalReason] = {}
    if meaning.score_unit == "probability":
        _review_percent(seen, facts, refused, found, take_back, now.toordinal() if now else 0)
    if rules.task is Task.BINARY:
        _review_one_sided(seen, facts, refused, found, take_back)
        if names_matter:
            _review_names(seen, rules, facts, refused)
    _review_signs(seen, facts, refused, found)
    return Review(refused, found, take_back)


def _look(connection: duckdb.DuckDBPyConnection, numbers: Mapping[str, int]) -> list[_Seen]:
    rows = connection.execute(statement("review_files"), {"percent": 1 + CLIPPED, "half": 0.5 - CLIPPED}).fetchall()
    found = []
    for file, *counts, first, last, first_name, last_name in rows:
        scores, percent, low, classed, minus, plus, zero, understood = counts
        found.append(
            _Seen(
                file, numbers.get(file, 0), scores, percent, low, classed, _different(first, last), minus, plus, zero,
                understood, _different(first_name, last_name),
            )
        )  # fmt: skip
    return found


def _different(*texts: str | None) -> tuple[str, ...]:
    return tuple(sorted({text for text in texts if text is not None}))


def _review_percent(
    seen: Sequence[_Seen], facts: Mapping[str, str], refused: dict[str, Refusal], found: dict[str, str],
    take_back: dict[int, RefusalReason], today: int,
) -> None:  # fmt: skip
    """``clean``: rows before any percentage, up to ``RECENT_ROWS``: from then on files are remembered from the first that
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
            refused[one.file] = _percentages(f"{one.percent:,} of {counted(one.scores, 'score')} lie")
            continue
        key = str(one.file_id)
        recent = _newest(recent, [one.file_id, one.scores, one.percent])
        if key in held:
            held[key] = [one.percent, today]
        outside, rows = sum(entry[2] for entry in recent), sum(entry[1] for entry in recent)
        together = sum(entry[0] for entry in held.values())
        if outside >= PERCENT_ROWS and outside >= PERCENT_SHARE * rows:
            refused[one.file] = _percentages(f"{outside:,} of the source's newest {counted(rows, 'score')} lie")
            take_back.update({number: "percentages" for number, *_ in recent if number != one.file_id})
            # pushes (below 0) do not come again
            held |= {str(number): [percent, today] for number, _, percent in recent if number >= 0}
        elif key in held and together >= PERCENT_ROWS:
            refused[one.file] = _percentages(f"{together:,} scores of the files that are refused with it lie")
        else:
            held.pop(key, None)
        if not outside:
            state["clean"] = min(state["clean"] + one.scores, RECENT_ROWS)
            recent = recent if state["clean"] < RECENT_ROWS else []
    news = json.dumps({"clean": state["clean"], "recent": recent, "held": held})
    if news != told:
        found[PERCENT] = news


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


def _review_one_sided(
    seen: Sequence[_Seen], facts: Mapping[str, str], refused: dict[str, Refusal], found: dict[str, str],
    take_back: dict[int, RefusalReason],
) -> None:  # fmt: skip
    state = json.loads(facts.get(ONE_SIDED, '{"rows": 0, "classes": [], "files": []}'))
    if state.get("two_sided"):
        return
    known = json.dumps(state)
    for one in seen:
        if one.low and one.classed:
            state = {"two_sided": True}
            break
        if not one.classed:
            continue
        rows, classes = state["rows"] + one.classed, {*state["classes"], *one.classes}
        if rows >= ONE_SIDED_ROWS and len(classes) > 1:
            refused[one.file] = Refusal(
                "scores_of_predicted_class",
                f"no score of {counted(rows, 'prediction')} is below 0.5, whether {' or '.join(sorted(classes)[:2])} is "
                'predicted, so scores speak of the predicted class; nothing of it was taken. Set task = "multiclass", or give '
                "the probability of the positive class as score",
            )
            take_back.update(dict.fromkeys(state["files"], "scores_of_predicted_class"))
            state = {**state, "files": []}
        else:
            state = {
                "rows": min(rows, RECENT_ROWS), "classes": sorted(classes)[:2],
                "files": [*state["files"], one.file_id][-RECENT_ROWS:],
            }  # fmt: skip
    if json.dumps(state) != known:
        found[ONE_SIDED] = json.dumps(state)


def _review_names(
    seen: Sequence[_Seen], rules: LabelRules, facts: Mapping[str, str], refused: dict[str, Refusal]
) -> None:
    if rules.positive is not None:
        return
    zeros = "0" in facts.get(SIGNS, "")
    for one in seen:
        names = list(one.names)
        # beside 1 and without 0, a 2 is the other class: labels that count from 1
        counted_from_1 = one.plus and not (one.zero or one.minus or zeros) and any(map(_is_number, names))
        if counted_from_1:
            names = ["1", *names]
        if one.names and (counted_from_1 or not (one.understood or one.minus or one.plus or one.zero)):
            named = first_few([f'"{name}"' for name in names])
            refused[one.file] = Refusal(
                "unknown_positive",
                f"labels are names ({named}), and nothing says which of them the score is the probability of; nothing of it "
                f'was taken. Set positive = "{names[0]}" (or another) in [[model]], or outcomes in [model.source]; where '
                'the score is that of the predicted class, task = "multiclass"',
            )


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _review_signs(
    seen: Sequence[_Seen], facts: Mapping[str, str], refused: dict[str, Refusal], found: dict[str, str]
) -> None:
    known = set(facts.get(SIGNS, ""))
    asked = [one for one in seen if one.file not in refused and (one.minus or one.plus or one.zero)]
    if not asked:
        return
    here = {sign for one in asked for sign, count in (("-", one.minus), ("0", one.zero), ("+", one.plus)) if count}
    decided = "-" in known  # −1 stands for 0 in this source
    both = known | here
    remedy = 'say what they mean in [model.source]: outcomes = { false = ["-1"] }, or missing_labels = ["-1"]'
    for one in asked:
        if one.minus and not decided and "0" in both:
            refused[one.file] = Refusal(
                "undecided_outcome",
                f"{counted(one.minus, 'outcome')} of it are −1, in a source that has 0 and −1; nothing of it was taken: "
                f"{remedy}",
            )
        elif one.minus and not decided and "+" not in both:
            refused[one.file] = Refusal(
                "undecided_outcome",
                f"{counted(one.minus, 'outcome')} of it are −1 and none is 1, so −1 may be the other outcome or a missing "
                f"label; nothing of it was taken until both were seen, or {remedy}",
                may_pass=True,
            )
        elif one.zero and decided:
            refused[one.file] = Refusal(
                "undecided_outcome",
                f"{counted(one.zero, 'outcome')} of it are 0, in a source whose outcomes are −1 and 1 so far; nothing of it "
                f"was taken: {remedy.replace('what they mean', 'what 0 and −1 mean')}",
            )
    taken = {
        sign
        for one in asked if one.file not in refused
        for sign, count in (("-", one.minus), ("0", one.zero), ("+", one.plus)) if count
    }  # fmt: skip
    if taken - known:
        found[SIGNS] = "".join(sorted(known | taken))


def mapped_signs(facts: Mapping[str, str]) -> bool:
    """Whether −1 was found to stand for 0 in a source."""
    return "-" in facts.get(SIGNS, "")
