"""The pull stage: everything new from a model's sources into the store, problems told apart from failures."""

from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path

import duckdb

from monitor.config.settings import Model
from monitor.model.durations import format_duration
from monitor.model.errors import SourceError
from monitor.model.problems import Outcome, Problem
from monitor.model.wording import first_few, quantity
from monitor.sources.batch import UNGUARDED, Batch, GuardedSource, Source, tell_where_kept
from monitor.sources.boxes.ingest import BOX_HOLDS, ingest_boxes, take_back_detections
from monitor.sources.boxes.rematch import match_touched
from monitor.sources.boxes.settings import follow_settings
from monitor.sources.files import FileSource
from monitor.sources.formats.layout import Needs
from monitor.sources.inbox import Inbox, InboxSource
from monitor.sources.ingest.ingest import RefusedError, ingest_batch, retry_parked
from monitor.sources.ingest.parting import split_damaged
from monitor.sources.ingest.review import Review
from monitor.sources.ingest.rounds import ApartError
from monitor.sources.isolation.guard import FileGuard
from monitor.sources.isolation.journal import Journal
from monitor.sources.isolation.set_aside import drop_unknown, take_up_journal
from monitor.sources.labels.parking import parked_past_horizon
from monitor.sources.pulled import Pulled
from monitor.sources.records import read_cursor, store_notes, write_cursor
from monitor.sources.remedies import tell_remedy
from monitor.sources.renewal.orphans import mend_orphans
from monitor.sources.renewal.renew import renew_meaning
from monitor.store.connection import insert_row, make_naive, transaction
from monitor.store.model_store import ModelStore
from monitor.store.rewriting import remove_samples
from monitor.store.scores.served import Serving
from monitor.store.source_facts import store_fact
from monitor.store.sql import statement


def file_sources(model: Model, base: Path) -> list[Source]:
    """Return the sources that a model's configuration names that are files. ``base``: where relative paths start."""
    return [source for source in configured_sources(model, base, base) if isinstance(source, FileSource)]


def configured_sources(model: Model, base: Path, state_dir: Path) -> Sequence[Source]:
    """One source each, in the order of the configuration. ``base``: where relative paths start."""
    needs = Needs.of(model)
    return [
        InboxSource(source, Inbox.of(state_dir, model.name, source.name), needs)
        if source.kind == "http"
        else FileSource(source, base, needs)
        for source in model.source
    ]


def was_cut_short(store: ModelStore) -> bool:
    """Whether something was taken since the last pull on record: calwatch was killed, or a later source failed, before parked
    labels could be tried on the new rows. Nothing else would try them until more rows come."""
    own = {"model_id": store.model_id, "model": store.model.name}
    return bool(store.fetch_row(statement("pull_unfinished"), own)[0])


SET_ASIDE_SHARE = 0.05  # of the rows of a cycle
_RECORDED = (
    "files", "rows", "new", "labelled", "duplicates", "corrected", "changed_predictions", "clipped", "ambiguous_times",
)  # fmt: skip
_LONGEST_PROBLEM = 20_000  # characters of what a pull tells of all its files

# Problems that mean the whole source could not be looked at: no success of the pull stage is recorded then.
SOURCE_FAILED = ("source_unreachable", "directory_missing")


def pull_sources(
    store: ModelStore, sources: Sequence[Source], serving: Sequence[Serving], now: datetime
) -> dict[str, Pulled]:
    """What each source brought, by its name. Each batch is committed with its cursor before the next is read."""
    connection = store.connection
    brought: dict[str, Pulled] = {}
    take_up_journal(connection, Journal.beside_database(connection), now)
    mended = mend_orphans(store, sources[0].name, now)
    drop_unknown(connection, store.model.name, [source.name for source in sources])
    is_renewed, renewed = renew_meaning(store, sources, now)
    cut_short = was_cut_short(store)
    changed = follow_settings(store, sources, now) if store.model.is_of_boxes else []
    for source in sources:
        brought[source.name] = _pull_source(store, source, serving, now)
    if store.model.is_of_boxes:
        brought[sources[0].name].problems += changed
        for name, pulled in match_touched(store, sources, serving, now).items():
            brought[name].add_counts(pulled)
    tried_again = is_renewed or cut_short or any(pulled.new for pulled in brought.values())
    if tried_again or parked_past_horizon(store, now):
        for name, pulled in retry_parked(store, now).items():
            brought[name if name in brought else sources[0].name].add_counts(pulled)
    brought[sources[0].name].problems += [*mended, *renewed]
    for name, pulled in brought.items():
        pulled.problems += [*_set_aside(name, pulled, store.model), *_not_judged(name, pulled, store.model)]
        if pulled.files or _told(pulled) or _troubled(connection, store.model.name, name):
            _record(connection, store.model.name, name, pulled, now)
    return brought


def _pull_source(store: ModelStore, source: Source, serving: Sequence[Serving], now: datetime) -> Pulled:
    connection = store.connection
    total = Pulled()
    cursor = read_cursor(connection, store.model_id, source.name)
    guard: FileGuard | None = None
    try:
        if isinstance(source, GuardedSource):
            guard = FileGuard(connection, store.model, source, Journal.beside_database(connection), now, cursor)
        for found in source.read_batches(connection, cursor, now, guard or UNGUARDED):
            if isinstance(found, Batch):
                total.add_counts(_ingest(store, source, found, serving, now, guard))
                continue
            total.problems.append(found)
            if guard is not None:
                guard.forget_failures([found.item])
            with transaction(connection):
                write_cursor(connection, store.model_id, source.name, found.cursor, now)
    except SourceError as error:
        total.problems.append(Problem(source.name, "source_unreachable", error.message))
    finally:
        if guard is not None:
            guard.close()
            total.problems += guard.problems
    return total


def _ingest(
    store: ModelStore, source: Source, batch: Batch, serving: Sequence[Serving], now: datetime, guard: FileGuard | None
) -> Pulled:
    """One batch; in rounds when later files speak of rows of earlier ones, and in parts when one is damaged inside."""
    try:
        with guard.note_reading(batch.items) if guard else nullcontext():
            if source.holds in BOX_HOLDS:
                pulled = ingest_boxes(store, source.name, source.holds, batch, now)
            else:
                pulled = ingest_batch(store, source.name, source.holds, batch, now, serving=serving)
    except ApartError as error:
        members: Sequence[Batch] = error.batches
    except RefusedError as error:
        if guard is not None:
            guard.forget_failures(batch.items)
        return _refuse(store, source, batch, error.file, error.review, now)
    except SourceError as error:
        members = split_damaged(batch, error.message)
        if not members and guard is not None:
            guard.forget_failures(batch.items)
        if not members:
            item, text = next(iter(batch.items), source.name), error.message
            if batch.on_completed:  # it will not get better: nobody writes it any more
                batch.on_completed({item: Outcome(refused=text)})
            else:
                text = f"{item}: cannot be read to its end ({text}); nothing of it was taken, it is tried again"
            return Pulled(problems=[Problem(item, "unreadable_file", text)])
    except Exception as error:
        # what no file should be able to cause stops no other file; anything else goes on to the boundary of the cycle
        if guard is None or not guard.is_fault_of_file(error):
            raise
        members = split_damaged(batch, str(error))
        if not members:
            if not guard.may_try_again(batch.items[0], error):
                return _held(batch, guard)
            members = [batch]
    else:
        if batch.on_completed:
            batch.on_completed(pulled.file_outcomes or {batch.items[0]: _outcome(pulled)})
        if guard is not None:
            guard.forget_failures(batch.items)
        return pulled
    total = Pulled()
    for member in members:
        total.add_counts(_ingest(store, source, member, serving, now, guard))
    return total


def _refuse(store: ModelStore, source: Source, batch: Batch, file: str, review: Review, now: datetime) -> Pulled:
    """Take nothing of the batch's one file, remember what it says of its source; files are tried again every cycle.

    A push that another one can settle waits; others are settled as refused.
    """
    refusal = review.refused[file]
    removed = 0
    with store.transaction():
        for fact, value in review.facts.items():
            store_fact(store.connection, store.model_id, source.name, fact, value, now)
        if review.take_back:
            removed = _take_back(store, source, review, now)
    aside = Counter({"taken_back": removed} if removed else {})
    back = f"; {removed:,} rows of files before it, taken as if they were not, are set aside" if removed else ""
    if batch.on_completed is None:
        text = f"{file}: {refusal.why}; it is tried again every cycle"
    elif refusal.may_pass:
        text = f"push {file}: {refusal.why}; it waits in the inbox"
    else:
        batch.on_completed({file: Outcome(refused=refusal.why)})
        text = f"push {file}: {refusal.why}. {tell_where_kept(batch.inbox, file)}"
    samples = 0 if source.holds in BOX_HOLDS else removed  # those of images are counted when these are matched anew
    return Pulled(problems=[Problem(file, refusal.reason, text + back)], removed=samples, quarantined=aside)


def _take_back(store: ModelStore, source: Source, review: Review, now: datetime) -> int:
    """Rows of earlier files back out of the store and into quarantine, and their files to be read again."""
    numbers = sorted(review.take_back)
    own = {"model_id": store.model_id, "source": source.name, "numbers": numbers}
    if source.holds in BOX_HOLDS:
        removed = take_back_detections(store, source.name, numbers, now)
    else:
        removed = remove_samples(
            store, "s.model_id = $model_id AND list_contains($numbers, s.file_id)",
            {"model_id": store.model_id, "numbers": numbers})  # fmt: skip
        store.execute(
            statement("taken_back_quarantine"),
            {"model": store.model.name, "source": source.name, "now": make_naive(now)},
        )
    store.execute(statement("taken_back_cursors_delete"), own)
    return removed


def _held(batch: Batch, guard: FileGuard) -> Pulled:
    """Of the batch's one file nothing is taken now. A push that has had its tries is refused."""
    item = batch.items[0]
    why = guard.why_set_aside(item)
    if not (why and batch.on_completed):
        return Pulled()
    batch.on_completed({item: Outcome(refused=why)})
    guard.forget_failures([item])
    text = f"push {item}: {why}. {tell_where_kept(batch.inbox, item)}"
    return Pulled(problems=[Problem(item, "push_set_aside", text)])


def _outcome(pulled: Pulled) -> Outcome:
    return Outcome(
        pulled.rows, pulled.new, pulled.labelled, pulled.duplicates, pulled.corrected, dict(pulled.quarantined)
    )


def _set_aside(source: str, pulled: Pulled, model: Model) -> list[Problem]:
    """A problem when more than ``SET_ASIDE_SHARE`` of the rows that came, or of the labels that waited, cannot be taken."""
    bad = sum(pulled.bad.values())
    if bad <= SET_ASIDE_SHARE * max(pulled.rows, pulled.tried_again):
        return []
    waited = bad > pulled.rows
    whole = quantity(max(pulled.tried_again, bad), "label") if waited else quantity(pulled.rows, "row")
    reasons = sorted(pulled.bad.items(), key=lambda pair: (-pair[1], pair[0]))
    remedy = tell_remedy(reasons[0][0], pulled.late, model.label_horizon)
    named = first_few([f"{count:,} {reason}" for reason, count in reasons])
    text = f"{bad:,} of {whole} that {'waited' if waited else 'came'} were set aside: {named}{remedy}"
    return [Problem(source, "rows_set_aside", text)]


def _not_judged(source: str, pulled: Pulled, model: Model) -> list[Problem]:
    """A problem when labels came for days that are folded, and final for drift rules."""
    if not pulled.labelled_late:
        return []
    text = (
        f"{quantity(pulled.labelled_late, 'label')} came later than fold_after ({format_duration(model.fold_after)}): "
        "measured, but not judged for drift; set fold_after longer than labels take"
    )
    return [Problem(source, "labels_not_judged", text)]


def _troubled(connection: duckdb.DuckDBPyConnection, model: str, source: str) -> str | None:
    """The problem that the source's newest row in ``pulls`` tells; None when it tells none."""
    last = connection.execute(
        "SELECT problem FROM pulls WHERE model = $model AND source = $source ORDER BY pulled_at DESC LIMIT 1",
        {"model": model, "source": source},
    ).fetchone()
    return last[0] if last else None


def _told(pulled: Pulled) -> list[Problem]:
    """What a row in ``pulls`` tells: files that are set aside have a table of their own."""
    return [problem for problem in pulled.problems if not problem.is_listed]


def _record(connection: duckdb.DuckDBPyConnection, model: str, source: str, pulled: Pulled, now: datetime) -> None:
    told = _told(pulled)
    problem = "; ".join(each.message for each in told)
    if len(problem) > _LONGEST_PROBLEM:
        problem = f"{quantity(len(told), 'problem')}: {problem[:_LONGEST_PROBLEM]}…"
    if not pulled.files and problem and problem == _troubled(connection, model, source):
        return  # the same trouble as in the last cycle: one row tells it
    store_notes(connection, model, source, pulled.problems, now)
    values = {"model": model, "source": source, "pulled_at": now, "problem": problem or None}
    values |= {"quarantined": pulled.quarantined.total(), "codes": [each.reason for each in told]}
    insert_row(connection, "pulls", values | {name: getattr(pulled, name) for name in _RECORDED})
