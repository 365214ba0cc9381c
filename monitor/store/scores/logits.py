"""What the column logits of a source holds. Probabilities become their logarithm on the way in: what is stored is logits.

A vector that lies in [0, 1] and sums to 1 to three digits is practically never one of logits, so until 20 vectors of a
source were seen each is taken for what it looks like. From then on the source has a verdict, remembered as a fact of it,
which changes only when 20 vectors in a row, or a batch of at least as many, look otherwise.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime

import duckdb

from monitor.config.sources import SourceSettings
from monitor.store.connection import fetch_row
from monitor.store.model_store import ModelStore
from monitor.store.scores.agreement import ENOUGH, Agreement, describe_agreement
from monitor.store.source_facts import load_facts, store_fact
from monitor.store.sql import statement

FACT = "logits_are"
LOGITS, PROBABILITIES = "logits", "probabilities"  # as the configuration says it
NEITHER, MIXED = "neither", "mixed"
PLACE = "(position >> 40) - 1"  # of a row's file in a batch of several, from 0
DECIDING = 20  # vectors that settle what a source holds
_MOSTLY = 0.8  # of the vectors: the rest may be failed inferences
_RECENT = "logits_recent"  # fact: the kinds of the last vectors that came in small batches
RAW_UNTIL = "logits_taken_raw_until"  # fact: until when stored probabilities were fitted on as if they were logits


@dataclass(frozen=True, slots=True)
class Kinds:
    """How many vectors look like what; ``percent`` of ``probabilities`` sum to 100, ``impossible`` can be no probabilities."""

    logits: int = 0
    probabilities: int = 0
    one_hot: int = 0
    unit: int = 0  # in [0, 1] and none of the former: independent sigmoids, or cut off
    single: int = 0
    percent: int = 0
    impossible: int = 0

    @property
    def vectors(self) -> int:
        """Of at least two numbers."""
        return self.logits + self.probabilities + self.one_hot + self.unit

    @property
    def verdict(self) -> str | None:
        """What the source holds; None below 20 vectors."""
        n = self.vectors
        if n < DECIDING:
            return None
        alike = self.probabilities + self.one_hot
        if self.one_hot >= ENOUGH * n:
            return NEITHER
        if alike >= _MOSTLY * n:
            return PROBABILITIES
        if alike + self.unit >= ENOUGH * n:
            return NEITHER
        return LOGITS if alike <= (1 - _MOSTLY) * n else MIXED

    def __add__(self, other: "Kinds") -> "Kinds":
        return Kinds(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))


def count_kinds(connection: duckdb.DuckDBPyConnection) -> Kinds:
    """Of the good rows of `staged`, before they are settled."""
    found = fetch_row(connection, statement("logits_kinds"))
    (rest,) = fetch_row(connection, statement("logits_obvious_rows"))
    return Kinds(*found) + Kinds(logits=rest, impossible=rest)


def has_vectors(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether good rows of `staged` have any logits."""
    return bool(connection.execute("SELECT 1 FROM staged WHERE reason IS NULL AND len(logits) > 0 LIMIT 1").fetchone())


def follow_files(
    connection: duckdb.DuckDBPyConnection, meaning: SourceSettings, facts: Mapping[str, str]
) -> tuple[int | None, str]:
    """Go through the files of `staged`, several taken as if one by one, as ``normalize_logits`` would. Returns the place (from
    0) of the first that changes what the source is known to hold, None where none does, and the kinds of the last vectors
    then."""
    rows = connection.execute(statement("logits_by_file", place=PLACE)).fetchall()
    recent, before = facts.get(_RECENT, ""), facts.get(FACT)
    for place, letters in rows:
        recent = "" if len(letters) >= DECIDING else (recent + letters)[-DECIDING:]
        found = meaning.logits_are or _of_letters(recent or letters).verdict or before
        if found != before:
            return place, recent
    return None, recent


def normalize_logits(
    connection: duckdb.DuckDBPyConnection, model_id: int, source: str, meaning: SourceSettings, now: datetime, *,
    followed: str | None = None,
) -> str | None:  # fmt: skip
    """Make `staged` hold logits: probabilities are replaced by their logarithm.

    To be called inside the transaction that takes the batch, before its rows are compared with stored ones. Returns what
    people should know once, as a sentence without its stop. In a source of probabilities a vector that can be none becomes
    `bad_logits`. When a source is found to hold probabilities, what was stored of the model's before becomes logarithms too.
    ``followed``: of several files that were followed and change nothing, the kinds of the last vectors.
    """
    seen = count_kinds(connection)
    if not seen.vectors:
        return None
    facts = load_facts(connection, model_id, source)
    before = facts.get(FACT)
    verdict = None
    if followed is None:
        verdict = _verdict(connection, model_id, source, seen, facts, now) if meaning.logits_are is None else None
    elif followed != facts.get(_RECENT, "") and meaning.logits_are is None:
        store_fact(connection, model_id, source, _RECENT, followed, now)
    found = meaning.logits_are or verdict or before
    if found is not None and found != before:
        store_fact(connection, model_id, source, FACT, found, now)
        if found == PROBABILITIES:
            # what was logits by evidence has true ones in store, some of which may look like probabilities by chance
            is_sure = before == LOGITS and meaning.logits_are is None
            which = statement("logits_sure") if is_sure else f"({statement('logits_kind')}) IN ('p', 'o')"
            _mend_stored(connection, model_id, source, which, now)
    if found == PROBABILITIES:
        if seen.impossible:
            connection.execute(statement("logits_impossible"))
        connection.execute(statement("logits_from_probabilities"))
    elif found in (None, MIXED) and seen.probabilities:
        connection.execute(statement("logits_from_sure_probabilities"))
    if meaning.logits_are is not None or found == before or found is None:
        return None
    if found == LOGITS and before in (None, NEITHER, MIXED):
        return None
    return _describe_holding(found, before, seen)


def _verdict(
    connection: duckdb.DuckDBPyConnection, model_id: int, source: str, seen: Kinds, facts: dict[str, str], now: datetime
) -> str | None:
    """By the batch, or where it is small by the last 20 vectors; None: too few to say."""
    recent = facts.get(_RECENT, "")
    if seen.vectors >= DECIDING:
        newest = ""
    else:
        rows = connection.execute(statement("logits_in_order")).fetchall()
        newest = (recent + "".join(kind for (kind,) in rows))[-DECIDING:]
        seen = _of_letters(newest)
    if newest != recent:
        store_fact(connection, model_id, source, _RECENT, newest, now)
    return seen.verdict


def _of_letters(letters: str) -> Kinds:
    return Kinds(*(letters.count(letter) for letter in "lpou"))


def _mend_stored(connection: duckdb.DuckDBPyConnection, model_id: int, source: str, which: str, now: datetime) -> None:
    """Take the logarithm of the model's stored probabilities, which came before anybody knew; where they are most of what
    is stored, calibrators fitted so far took them for logits: remember that too."""
    own = {"model_id": model_id}
    vectors, probabilities = fetch_row(connection, statement("logits_stored", which=which), own)
    if not probabilities:
        return
    connection.execute(statement("logits_mend_stored", which=which), own)
    if 2 * probabilities >= vectors:
        store_fact(connection, model_id, source, RAW_UNTIL, now.isoformat(), now)


def load_holdings(store: ModelStore) -> set[str]:
    """What the sources of a model's samples hold, as configured or found; empty where nothing has been found yet."""
    found = (
        each.logits_are or load_facts(store.connection, store.model_id, each.name).get(FACT)
        for each in store.model.source
        if each.holds == "samples"
    )
    return {each for each in found if each is not None}


def load_raw_until(connection: duckdb.DuckDBPyConnection, model: str) -> datetime | None:
    """UTC, without its marker: calibrators fitted before then took stored probabilities for logits; None: none did."""
    row = connection.execute(statement("source_fact_newest"), {"model": model, "fact": RAW_UNTIL}).fetchone()
    return row[0] if row else None


def _describe_holding(found: str, before: str | None, seen: Kinds) -> str:
    held = f", which held {before} so far," if before in (LOGITS, PROBABILITIES) else ""
    if found == PROBABILITIES:
        return f"the column logits{held} holds {_probabilities(seen)}: their logarithm is used; {_FOR_GOOD}"
    if found == LOGITS:
        return f'the column logits{held} holds logits; logits_are = "logits" in [[model.source]] says so for good'
    if found == MIXED:
        return (
            f"some vectors in the column logits{held} are probabilities and others are not: each is taken for what it looks "
            "like. Give what differs a [[model.source]] of its own, with its logits_are"
        )
    return f"the column logits{held} holds {_neither(seen)}"


_FOR_GOOD = 'logits_are = "probabilities" in [[model.source]] says so for good'


def _probabilities(seen: Kinds) -> str:
    return "percentages (sum 100)" if 2 * seen.percent > seen.probabilities else "probabilities (0 to 1, sum 1)"


def _neither(seen: Kinds) -> str:
    if seen.one_hot >= seen.unit:
        what = "one-hot vectors (a 1 and zeros), which only repeat the predicted class"
    else:
        what = (
            "numbers from 0 to 1 whose sum is not 1 (independent sigmoids, or probabilities cut off or rounded), which are "
            "neither logits nor probabilities of one class among all"
        )
    return (
        f'{what}: refits do not use them. Log what goes into the softmax, or set logits_are = "logits" in [[model.source]] if '
        "that is what they are"
    )


def remark_logits(seen: Kinds, meaning: SourceSettings) -> list[str]:
    """Mere notes for ``calwatch check``, of the ``count_kinds`` tried; sentences without their stop."""
    if seen.single and not seen.vectors:
        return ["the column logits holds one number a row, which no refit uses: scores go to score or raw_score"]
    found = _first_verdict(seen)
    if found != PROBABILITIES or meaning.logits_are == PROBABILITIES:
        return []
    if meaning.logits_are == LOGITS:
        return [f'the column logits looks like {_probabilities(seen)} and is taken as it is: logits_are = "logits"']
    return [f"the column logits holds {_probabilities(seen)}: their logarithm is used; {_FOR_GOOD}"]


def suspect_logits(seen: Kinds, agreed: Agreement, classes: Iterable[str], meaning: SourceSettings) -> list[str]:
    """What is suspicious of the vectors tried, for ``calwatch check``; sentences without their stop. ``agreed``: none for
    binary tasks."""
    said = []
    found = _first_verdict(seen)
    if meaning.logits_are is None and found in (NEITHER, MIXED):
        said.append(_describe_holding(found, None, seen))
    taken = meaning.logits_are or found
    if taken == PROBABILITIES and seen.impossible:
        said.append(
            f"{seen.impossible:,} of {seen.vectors:,} vectors in the column logits can be no probabilities (0 to 1, sum 1) and "
            "would be set aside as bad_logits: is logits_are right?"
        )
    if agreed.is_broken:
        said.append(f"{describe_agreement(agreed, tuple(classes))}. Until then refits use scores, not logits")
    return said


def _first_verdict(seen: Kinds) -> str | None:
    """Of a few vectors too: whoever tries a short file wants to know what the next thousand will be."""
    scale = -(-DECIDING // seen.vectors) if seen.vectors else 1
    return Kinds(*(scale * getattr(seen, each.name) for each in fields(seen))).verdict
