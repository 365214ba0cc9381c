"""A file whose values make no sense together: told, left where it is, and what earlier ones of its kind brought taken back."""

from collections import Counter
from datetime import datetime

from monitor.model.problems import Outcome, Problem
from monitor.sources.batch import Batch, tell_where_kept
from monitor.sources.ingest.review import Review
from monitor.sources.pulled import Pulled
from monitor.store.connection import make_naive
from monitor.store.model_store import ModelStore
from monitor.store.rewriting import remove_samples
from monitor.store.source_facts import store_fact
from monitor.store.sql import statement


def refuse_file(store: ModelStore, source: str, batch: Batch, file: str, review: Review, now: datetime) -> Pulled:
    """Take nothing of the batch's one file, remember what it says of its source; files are tried again every cycle.

    A push that another one can settle waits; others are settled as refused.
    """
    refusal = review.refused[file]
    removed = 0
    with store.transaction():
        for fact, value in review.facts.items():
            store_fact(store.connection, store.model_id, source, fact, value, now)
        if review.take_back:
            removed = _take_back(store, source, review, now)
    aside = Counter({"taken_back": removed} if removed else {})
    back = f"; {removed:,} rows of files before it, taken as if they were not, are set aside" if removed else ""
    if batch.on_completed is not None:
        name = file
        if refusal.may_pass:
            text = f"push {name}: {refusal.why}; it waits in the inbox"
        else:
            batch.on_completed({file: Outcome(refused=refusal.why)})
            text = f"push {name}: {refusal.why}. {tell_where_kept(batch.inbox, name)}"
        return Pulled(problems=[Problem(name, refusal.reason, text + back)], removed=removed, quarantined=aside)
    text = f"{file}: {refusal.why}; it is tried again every cycle{back}"
    return Pulled(problems=[Problem(file, refusal.reason, text)], removed=removed, quarantined=aside)


def _take_back(store: ModelStore, source: str, review: Review, now: datetime) -> int:
    """Samples of earlier files back out of the store and into quarantine, and their files to be read again."""
    numbers = sorted(review.take_back)
    removed = remove_samples(
        store, "s.model_id = $model_id AND list_contains($numbers, s.file_id)",
        {"model_id": store.model_id, "numbers": numbers})  # fmt: skip
    own = {"model_id": store.model_id, "source": source, "numbers": numbers}
    store.execute(
        statement("taken_back_quarantine"), {"model": store.model.name, "source": source, "now": make_naive(now)}
    )
    store.execute(statement("taken_back_cursors_delete"), own)
    return removed
