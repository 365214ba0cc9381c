"""What the values of a file say about the whole of it: why nothing of it may be taken although each row could be.

    percentages                 scores up to 100 beside scores below 1
    foreign_zone                times that name a zone which the source's does not know
    scores_of_predicted_class   a binary model whose scores never fall below one half, whichever class it predicts
    undecided_outcome           −1 while nobody knows yet whether it stands for 0; or −1 beside 0
    unknown_positive            labels that are names, and no word on which of them the score speaks of

Sources that come in many small files or pushes are looked at over their newest rows. What has been found of a source is
remembered as facts (``source_facts``).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import duckdb

from monitor.model import Task
from monitor.sources.base import Batch
from monitor.store.sql import statement
from monitor.store.staging import CLIPPED
from monitor.store.times import refused_zone
from monitor.store.values import LabelRules
from monitor.wording import counted, first_few

FOREIGN_SHARE = 0.01  # of a file's rows, with times that name a zone its source does not know
RECENT_ROWS = 1_000  # of a source, over files and pushes
PERCENT_ROWS, PERCENT_SHARE = 20, 0.01  # scores in (1, 100] that make a file one of percentages
ONE_SIDED_ROWS = 50  # predictions of both classes without a score below one half

RefusalReason = Literal[
    "foreign_zone", "percentages", "scores_of_predicted_class", "undecided_outcome", "unknown_positive"
]
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
    total: int
    timeless: int  # times that cannot be read
    rows: int  # that say something of their file
    percent: int
    low: int  # scores below one half
    classed: int  # rows with a predicted class
    classes: tuple[str, ...]  # the first and the last of them
    minus: int
    plus: int
    zero: int
    labels: int  # that say something
    understood: int
    names: tuple[str, ...]  # labels that are no outcomes, examples
    positive: int
    near_positive: str | None  # a label that is `positive` but for upper and lower case


def review_files(
    connection: duckdb.DuckDBPyConnection,
    rules: LabelRules,
    batch: Batch,
    facts: Mapping[str, str],
    numbers: Mapping[str, int],
) -> Review:
    """Look at `staged`, which the batch filled, file by file. ``numbers``: file → its number."""
    meaning = batch.meaning
    seen = _look(connection, rules, numbers)
    refused: dict[str, Refusal] = {}
    found: dict[str, str] = {}
    take_back: dict[int, RefusalReason] = {}
    if meaning.score_unit == "probability":
        _review_percent(seen, facts, refused, found, take_back)
    if rules.task is Task.BINARY:
        _review_one_sided(seen, facts, refused, found, take_back)
        _review_names(seen, rules, refused)
    _review_zones(connection, batch, seen, refused)
    _review_signs(seen, facts, refused, found)
    return Review(refused, found, take_back)


def _look(connection: duckdb.DuckDBPyConnection, rules: LabelRules, numbers: Mapping[str, int]) -> list[_Seen]:
    rows = connection.execute(
        statement("review_files"), {"percent": 1 + CLIPPED, "positive": rules.positive or ""}
    ).fetchall()
    found = []
    for file, whole, timeless, *counts, first, last, names, near in rows:
        total, percent, low, classed, minus, plus, zero, labels, understood, positive = counts
        classes = tuple(sorted({text for text in (first, last) if text is not None}))
        found.append(
            _Seen(
                file, numbers.get(file, 0), whole, timeless, total, percent, low, classed, classes, minus, plus, zero, labels,
                understood, tuple(sorted(names or ())), positive, near,
            )
        )  # fmt: skip
    return found


def _review_zones(
    connection: duckdb.DuckDBPyConnection, batch: Batch, seen: Sequence[_Seen], refused: dict[str, Refusal]
) -> None:
    unread = [one for one in seen if one.timeless > FOREIGN_SHARE * one.total]
    if not unread:
        return
    named = refused_zone(connection, batch)
    if named is None:
        return
    for one in unread:  # of several files, which will be looked at one by one
        refused[one.file] = Refusal("foreign_zone", f"{named.sentence}; nothing of it was taken")


def _review_percent(
    seen: Sequence[_Seen], facts: Mapping[str, str], refused: dict[str, Refusal], found: dict[str, str],
    take_back: dict[int, RefusalReason],
) -> None:  # fmt: skip
    recent: list[list[int]] = json.loads(facts.get(PERCENT, "[]"))  # [number, rows, of them percentages], oldest first
    known = json.dumps(recent)
    for one in seen:
        if one.percent >= PERCENT_ROWS and one.percent >= PERCENT_SHARE * one.rows:
            refused[one.file] = _percentages(f"{one.percent:,} of {counted(one.rows, 'score')} lie")
            continue
        if one.percent == 0 and not recent:
            continue
        # a file that is tried again counts once
        recent = _newest(
            [*(entry for entry in recent if entry[0] != one.file_id), [one.file_id, one.rows, one.percent]]
        )
        outside, rows = sum(entry[2] for entry in recent), sum(entry[1] for entry in recent)
        if outside >= PERCENT_ROWS and outside >= PERCENT_SHARE * rows:
            refused[one.file] = _percentages(f"{outside:,} of the source's newest {counted(rows, 'score')} lie")
            take_back.update({entry[0]: "percentages" for entry in recent[:-1]})
    if json.dumps(recent) != known:
        found[PERCENT] = json.dumps(recent)


def _percentages(where: str) -> Refusal:
    return Refusal(
        "percentages",
        f"{where} between 1 and 100, so all of them are taken to be percentages, and nothing of it was taken. If they are, set "
        'score_unit = "percent" in [model.source], else see what the column holds',
    )


def _newest(entries: Sequence[list[int]]) -> list[list[int]]:
    """Those of the entries that make up the newest ``RECENT_ROWS`` rows."""
    kept: list[list[int]] = []
    for entry in reversed(entries):
        if sum(each[1] for each in kept) >= RECENT_ROWS:
            break
        kept.insert(0, entry)
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


def _review_names(seen: Sequence[_Seen], rules: LabelRules, refused: dict[str, Refusal]) -> None:
    for one in seen:
        if rules.positive is not None:
            if one.labels and not one.positive and one.near_positive is not None:
                refused[one.file] = Refusal(
                    "unknown_positive",
                    f'no label is positive = "{rules.positive}", but some are "{one.near_positive}"; nothing of it was taken. '
                    "Write positive as the labels are",
                )
        elif one.names and not one.understood and not (one.minus or one.plus or one.zero):
            named = first_few([f'"{name}"' for name in one.names])
            refused[one.file] = Refusal(
                "unknown_positive",
                f"labels are names ({named}), and nothing says which of them the score is the probability of; nothing of it "
                f'was taken. Set positive = "{one.names[0]}" (or another) in [[model]], or outcomes in [model.source]; where '
                'the score is that of the predicted class, task = "multiclass"',
            )


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
