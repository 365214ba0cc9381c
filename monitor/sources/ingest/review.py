"""What the values of a file say about the whole of it: why nothing of it may be taken although each row could be.

    percentages                 scores up to 100 beside scores below 1
    no_percentages              scores said to be percentages, of which none is above 1
    foreign_zone                times that name a zone which the source's does not know
    scores_of_predicted_class   a binary model whose scores never fall below one half, whichever class it predicts
    undecided_outcome           −1 while nobody knows yet whether it stands for 0; or −1 beside 0
    unknown_positive            labels that are names, and no word on which of them the score speaks of

Sources that come in many small files or pushes are looked at over their newest rows. What has been found of a source is
remembered as facts (``source_facts``).
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

import duckdb

from monitor.model import Task
from monitor.model.wording import first_few, quantity
from monitor.sources.batch import Batch
from monitor.sources.ingest.percentages import RECENT_ROWS, Seen, review_fractions, review_percent
from monitor.sources.ingest.percentages import Refusal as Refusal
from monitor.sources.ingest.percentages import Review as Review
from monitor.sources.ingest.staging import CLIPPED
from monitor.sources.times.expressions import refused_zone
from monitor.store.sql import statement
from monitor.store.values import LabelRules

FOREIGN_SHARE = 0.01  # of a file's rows, with times that name a zone its source does not know
ONE_SIDED_ROWS = 50  # predictions of both classes without a score below one half
_LIMITS = {"percent": 1 + CLIPPED, "hundredth": (1 + CLIPPED) / 100, "half": 0.5 - CLIPPED}
SIGNS, ONE_SIDED = "outcomes_seen", "recent_one_sided"  # facts


def review_files(
    connection: duckdb.DuckDBPyConnection, rules: LabelRules, batch: Batch, facts: Mapping[str, str],
    numbers: Mapping[str, int], *, now: datetime | None = None,
) -> Review:  # fmt: skip
    """Look at `staged`, which the batch filled, file by file. ``numbers``: file → its number; ``now``: so that files refused
    together are let go once some of them are gone, None: they are not.

    Files taken as if one by one are judged by what those before them said, not by what those after them say."""
    seen = _load_seen(connection, numbers)
    arrival = {file: place for place, file in enumerate(numbers)}
    # lines that made no row stand before all rows
    groups = [seen] if batch.part is None else [[one] for one in sorted(seen, key=lambda one: arrival[one.file])]
    found = Review()
    for group in groups:
        known = {**facts, **found.facts}
        if batch.meaning.score_unit == "probability":
            review_percent(group, known, found, now.toordinal() if now else 0)
        else:
            review_fractions(group, known, found)
        if rules.task is Task.BINARY:
            _review_one_sided(group, known, found)
            _review_names(group, rules, known, found)
        _review_zones(connection, batch, group, found)
        _review_signs(group, known, found)
    return found


def _load_seen(connection: duckdb.DuckDBPyConnection, numbers: Mapping[str, int]) -> list[Seen]:
    rows = connection.execute(statement("review_files"), _LIMITS).fetchall()
    return [
        Seen(*(file, numbers.get(file, 0), *counts, _different(first, last), _different(first_name, last_name)))
        for file, *counts, first, last, first_name, last_name in rows
    ]


def _different(*texts: str | None) -> tuple[str, ...]:
    return tuple(sorted({text for text in texts if text is not None}))


def _review_zones(connection: duckdb.DuckDBPyConnection, batch: Batch, seen: Sequence[Seen], found: Review) -> None:
    unread = [one for one in seen if one.timeless > FOREIGN_SHARE * one.total]
    if unread and (said := refused_zone(connection, batch)):
        # of several files, which will be looked at one by one
        refusal = Refusal("foreign_zone", f"{said}; nothing of it was taken")
        found.refused.update({one.file: refusal for one in unread})


def _review_one_sided(seen: Sequence[Seen], facts: Mapping[str, str], found: Review) -> None:
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
            found.refused[one.file] = Refusal(
                "scores_of_predicted_class",
                f"no score of {quantity(rows, 'prediction')} is below 0.5, whether {' or '.join(sorted(classes)[:2])} is "
                'predicted, so scores speak of the predicted class; nothing of it was taken. Set task = "multiclass", or give '
                "the probability of the positive class as score",
            )
            found.take_back.update(dict.fromkeys(state["files"], "scores_of_predicted_class"))
            state = {**state, "files": []}
        else:
            state = {
                "rows": min(rows, RECENT_ROWS), "classes": sorted(classes)[:2],
                "files": [*state["files"], one.file_id][-RECENT_ROWS:],
            }  # fmt: skip
    if json.dumps(state) != known:
        found.facts[ONE_SIDED] = json.dumps(state)


def _review_names(seen: Sequence[Seen], rules: LabelRules, facts: Mapping[str, str], found: Review) -> None:
    if rules.positive is not None:
        return
    zeros = "0" in facts.get(SIGNS, "")
    for one in seen:
        names = list(one.names)
        # beside 1 and without 0, a 2 is the other class: labels that count from 1
        counted_from_1 = (
            one.plus
            and not (one.zero or one.minus or zeros)
            and any(name.isascii() and name.isdigit() for name in names)
        )
        if counted_from_1:
            names = ["1", *names]
        if one.names and (counted_from_1 or not (one.understood or one.minus or one.plus or one.zero)):
            named = first_few([f'"{name}"' for name in names])
            # which is right nobody knows here: a single proposal would be copied
            choice = " or ".join(f'positive = "{name}"' for name in names)
            found.refused[one.file] = Refusal(
                "unknown_positive",
                f"labels are names ({named}), and nothing says which of them the score is the probability of; nothing of it "
                f"was taken. Set {choice} in [[model]], or outcomes in [model.source]; where "
                'the score is that of the predicted class, task = "multiclass"',
            )


def _review_signs(seen: Sequence[Seen], facts: Mapping[str, str], found: Review) -> None:
    known = set(facts.get(SIGNS, ""))
    asked = [one for one in seen if one.file not in found.refused]
    here = _signs(asked)
    decided = "-" in known  # −1 stands for 0 in this source
    both = known | here
    remedy = 'say what they mean in [model.source]: outcomes = { false = ["-1"] }, or missing_labels = ["-1"]'
    for one in asked:
        minus = f"{quantity(one.minus, 'outcome')} of it are −1"
        may_pass = one.minus > 0 and not decided and not both & {"0", "+"}
        if may_pass:
            why = (
                f"{minus} and none is 1, so −1 may be the other outcome or a missing "
                f"label; nothing of it was taken until both were seen, or {remedy}"
            )
        elif one.minus and not decided and "0" in both:
            why = f"{minus}, in a source that has 0 and −1; nothing of it was taken: {remedy}"
        elif one.zero and decided:
            why = (
                f"{quantity(one.zero, 'outcome')} of it are 0, in a source whose outcomes are −1 and 1 so far; nothing of it "
                f"was taken: {remedy.replace('what they mean', 'what 0 and −1 mean')}"
            )
        else:
            continue
        found.refused[one.file] = Refusal("undecided_outcome", why, may_pass)
    taken = _signs([one for one in asked if one.file not in found.refused])
    if taken - known:
        found.facts[SIGNS] = "".join(sorted(known | taken))


def _signs(seen: Sequence[Seen]) -> set[str]:
    """The outcomes, as they are written, that any of these files has."""
    return {sign for one in seen for sign, count in (("-", one.minus), ("0", one.zero), ("+", one.plus)) if count}


def mapped_signs(facts: Mapping[str, str]) -> bool:
    """Whether −1 was found to stand for 0 in a source."""
    return "-" in facts.get(SIGNS, "")
