"""One batch into the store, in one transaction with its cursor: quarantine, de-duplicate, correct, add to cells.

The steps hand each other temporary tables:

    staged      the batch's rows, typed; bad ones with their reason (staging.py)
    file_numbers    the batch's files → their numbers (file_numbers.py)
    slice_keys, stream_keys     slice values → slice_id, version and calibrator → stream_id (registry.py, places.py)
    repeated    identities that stand more than once in the batch
    fresh       one row per identity of the batch
    existing    rows of the store with an identity of the batch
    incoming    rows to insert: new ones, and known ones that the batch changes
    replaced    rows of the store that give way to them
    touched, renewed    cells that change, and what they hold then (cells.py)
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import duckdb

from monitor.model.errors import SourceError
from monitor.model.problems import Problem
from monitor.sources.batch import Batch
from monitor.sources.ingest.file_numbers import load_file_numbers, number_files
from monitor.sources.ingest.parting import (
    demand_known_words,
    demand_no_folds,
    demand_none_refused,
    follow_logits,
)
from monitor.sources.ingest.place_order import demand_places
from monitor.sources.ingest.repeats import Arrived
from monitor.sources.ingest.review import Review, review_files
from monitor.sources.ingest.rounds import FileCounts, demand_few_words, split_rounds
from monitor.sources.ingest.staging import StagingResult, blames_the_file, find_repeated, stage_batch
from monitor.sources.ingest.withdrawal import (
    keep_said,
    note_repeats,
    settle_withdrawn,
    take_back_conflicting,
)
from monitor.sources.labels.history import note_undated
from monitor.sources.labels.parking import join_labels
from monitor.sources.labels.rules import (
    define_missing,
    derive_outcomes_again,
    load_rules,
    remember_words,
    words_predicted,
)
from monitor.sources.pulled import Pulled
from monitor.sources.records import store_notes, write_cursor
from monitor.sources.times.folds import delay_labels, settle_labels
from monitor.store.connection import fetch_column, fetch_row, make_naive, transaction
from monitor.store.model_store import ModelStore
from monitor.store.places import map_streams
from monitor.store.rewriting import rewrite_samples
from monitor.store.scores.logits import has_vectors, normalize_logits
from monitor.store.scores.served import Serving, calibrate_staged
from monitor.store.source_facts import load_facts, store_fact
from monitor.store.sql import statement
from monitor.store.values import LabelRules

KEPT_RECORDS = 1_000  # quarantined rows kept with their text, per batch and reason; of the others the place is kept


class RefusedError(Exception):
    """The values of a batch's one file say that none of it may be taken; see the review."""

    def __init__(self, file: str, review: Review) -> None:
        super().__init__(file)
        self.file = file
        self.review = review


def ingest_batch(
    store: ModelStore, source: str, holds: str, batch: Batch, now: datetime, *, serving: Sequence[Serving] = ()
) -> Pulled:
    """Take one batch. Nothing of it stays when it fails; run again, it changes nothing.

    Raises SourceError when a file of the batch turns out to be damaged while it is read, ApartError when several have to be
    taken in parts, one after the other, and RefusedError when the values of its one file make no sense together.
    """
    connection, model = store.connection, store.model
    monitor_applies = model.recalibration.apply == "monitor"
    known = load_rules(store, batch.meaning, now)
    done, rules, words = _stage(store, holds, batch, known, now)
    close = done.close
    facts = {**load_facts(connection, store.model_id, source), **batch.facts}
    files = batch.items if batch.whole else fetch_column(connection, "SELECT DISTINCT file FROM staged")
    with transaction(connection):
        numbers = number_files(connection, store.model_id, source, files, pushed=batch.on_completed is not None)
    found = Review()
    if batch.whole:
        found = review_files(connection, rules, batch, facts, numbers, now=now)
    if found.refused:
        if batch.files == 1:
            raise RefusedError(next(iter(found.refused)), found)
        demand_none_refused(batch, found.refused)
    has_logits = "logits" in batch.columns and has_vectors(connection)
    followed = follow_logits(connection, batch, facts) if has_logits else None
    demand_places(store, batch)
    if not (found.facts or has_logits):  # what is being found of a source depends on the order of its files
        demand_few_words(connection, batch, holds)
    shares = FileCounts.of(connection, batch)
    with store.transaction():
        pulled = Pulled(files=batch.files)
        (pulled.rows,) = fetch_row(connection, "SELECT count(*) FROM staged")
        pulled.ambiguous_times = done.ambiguous
        load_file_numbers(connection, numbers, placed=batch.whole)
        for fact, value in {**batch.facts, **found.facts}.items():
            store_fact(connection, store.model_id, source, fact, value, now)
        if has_logits and (
            said := normalize_logits(connection, store.model_id, source, batch.meaning, now, followed=followed)
        ):
            pulled.problems.append(Problem(source, "logits_are", said))
        if batch.reread:
            keep_said(connection, holds)
        if batch.on_completed is None:
            note_undated(store, source, now)
        if holds == "labels":
            delay_labels(connection, now)
            join_labels(store, source, now)
        store.registry.map_slices(connection, model)
        if monitor_applies:
            calibrate_staged(store, serving, len(model.classes))
        pulled.removed += take_back_conflicting(store)
        quarantine_rows(store, source, now, pulled, by_file=batch.part is not None)
        if holds == "labels":  # their predictions' times are known only now
            settle_labels(connection)
            close = find_repeated(connection)
        arrived = Arrived(batch, numbers)
        for round_ in split_rounds(connection, batch, repeated=close):
            merge_staged(store, rules, now, pulled, repeated=round_.repeated)
            note_repeats(store, batch, numbers)
            if shares:
                shares.count_round(connection)
            arrived.count_round(connection, round_, changed=pulled.changed_predictions, new=pulled.new)
        pulled.file_outcomes = shares.outcomes(connection, bad=bool(pulled.bad)) if shares else {}
        told = arrived.changed_predictions(connection)
        told += arrived.near_repeats(connection, store.model_id, now, within=close)
        pulled.problems += sorted(told, key=lambda problem: list(numbers).index(problem.item))  # as if one by one
        if batch.reread:
            pulled.problems += settle_withdrawn(store, batch, holds, numbers)
        remember_words(store, words)
        pulled.labelled += derive_outcomes_again(store, rules, rules.classes - known.classes)
        if pulled.problems:  # what is told once must not be lost between here and the end of the pull
            store_notes(connection, model.name, source, pulled.problems, now)
        write_cursor(connection, store.model_id, source, batch.cursor, now)
    return pulled


def _stage(
    store: ModelStore, holds: str, batch: Batch, known: LabelRules, now: datetime
) -> tuple[StagingResult, LabelRules, dict[str, datetime]]:
    """Fill `staged`, again where it predicts classes under words that were taken for missing labels; gives the rules with
    these as classes, and the classes predicted under words for missing labels, each with when last."""
    connection, model, rules = store.connection, store.model, known
    times = now - model.retention, now
    try:
        while True:
            define_missing(connection, rules)
            done = stage_batch(connection, model, batch, rules, holds=holds, times=times, model_id=store.model_id)
            if done.folded:
                demand_no_folds(connection, batch)
            words = words_predicted(connection) if "predicted_class" in batch.columns else {}
            if rules is not known or rules.own_missing or words.keys() <= rules.classes:
                return done, rules, words
            demand_known_words(connection, batch, words.keys() - rules.classes)
            rules = rules.with_classes(words)
    except duckdb.Error as error:  # damaged pages raise many kinds, some of them the base class
        if not blames_the_file(error):
            raise
        raise SourceError(str(error).splitlines()[0]) from error


def merge_staged(store: ModelStore, rules: LabelRules, now: datetime, pulled: Pulled, *, repeated: bool) -> None:
    """Everything between `staged` and the tables it changes. ``repeated``: whether `repeated` may hold anything."""
    repeated = repeated and store.execute("SELECT 1 FROM repeated LIMIT 1").fetchone() is not None
    store.execute(statement("ingest_fresh_joined" if repeated else "ingest_fresh_single"))
    pulled.problems += map_streams(store, now)
    _find_existing(store.connection, store.model_id)
    known = store.execute("SELECT 1 FROM existing LIMIT 1").fetchone() is not None
    own = {"model_id": store.model_id, "now": make_naive(now)}
    if known:
        store.execute(
            statement("ingest_incoming"),
            {**own, "from_names": rules.from_names, "own_scores": store.model.recalibration.apply != "monitor"},
        )
    else:
        store.execute(statement("ingest_incoming_new"), own)
    new, labelled, corrected, seen, incoming, differing, changed, clipped, late = map(
        int, store.fetch_row(statement("ingest_counts"), {"model_id": store.model_id})
    )
    pulled.add_counts(
        Pulled(
            new=new, labelled=labelled, duplicates=max(seen - incoming - differing, 0), corrected=corrected,
            changed_predictions=changed, clipped=clipped, labelled_late=late,
        )
    )  # fmt: skip
    store.execute(statement("ingest_replaced"))
    if incoming:
        rewrite_samples(store)


def _find_existing(connection: duckdb.DuckDBPyConnection, model_id: int) -> None:
    connection.execute(statement("ingest_existing_empty"))
    for first, beyond in connection.execute(statement("ingest_day_runs")).fetchall():
        span = {"first": first, "beyond": beyond}
        connection.execute(statement("ingest_candidates"), span)
        connection.execute(statement("ingest_existing"), {**span, "model_id": model_id})


def quarantine_rows(store: ModelStore, source: str, now: datetime, pulled: Pulled, *, by_file: bool = False) -> None:
    """Keep the bad rows (a file read again brings its bad rows again: those are known) and count them in ``pulled``.
    ``by_file``: whether so many of each file keep their text."""
    connection = store.connection
    pulled.bad = _count_reasons(connection, "staged WHERE reason IS NOT NULL")
    if not pulled.bad:
        return
    if pulled.bad["label_too_late"]:
        pulled.late.append(fetch_row(connection, statement("labels_too_late")))
    where = {"model": store.model.name, "source": source}
    connection.execute(statement("quarantine_news"), where)
    pulled.quarantined = _count_reasons(connection, "quarantine_news")
    kept = {"kept": KEPT_RECORDS, "by_file": by_file}
    connection.execute(statement("quarantine_insert"), {**where, "now": make_naive(now), **kept})


def _count_reasons(connection: duckdb.DuckDBPyConnection, rows: str) -> Counter[str]:
    return Counter(dict(connection.execute(f"SELECT reason, count(*) FROM {rows} GROUP BY reason").fetchall()))


def retry_parked(store: ModelStore, now: datetime) -> dict[str, Pulled]:
    """Join parked labels with predictions that have come since; quarantine those past the horizon. Return what came of it, by
    the source of the labels, which may be configured no more."""
    connection, model = store.connection, store.model
    pulled: dict[str, Pulled] = {}
    own = {"model_id": store.model_id}
    if not store.execute("SELECT 1 FROM parked_labels WHERE model_id = $model_id LIMIT 1", own).fetchone():
        return pulled
    meaning = {each.name: each for each in model.source}
    pushed = {each.name for each in model.source if each.kind == "http"}
    with store.transaction():
        store.execute(statement("parked_stage"), own)
        store.execute("DELETE FROM parked_labels WHERE model_id = $model_id", own)
        for source in fetch_column(connection, "SELECT DISTINCT source FROM parked"):
            rules = load_rules(store, meaning.get(source, model.source[0]), now)
            define_missing(connection, rules)
            store.execute(statement("parked_stage_of_source"), {"source": source})
            files = fetch_column(connection, "SELECT DISTINCT file FROM staged")
            numbers = number_files(connection, store.model_id, source, files, pushed=source in pushed)
            load_file_numbers(connection, numbers)
            part = pulled[source] = Pulled()
            (part.tried_again,) = fetch_row(connection, "SELECT count(*) FROM staged")
            join_labels(store, source, now, last_try=True)
            quarantine_rows(store, source, now, part)
            store.registry.map_slices(connection, model)
            merge_staged(store, rules, now, part, repeated=find_repeated(connection))
    return pulled
