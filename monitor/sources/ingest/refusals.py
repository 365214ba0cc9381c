"""A file whose values make no sense together: told, left where it is, and what earlier ones of its kind brought taken back."""

from datetime import datetime

import duckdb

from monitor.config.settings import Model
from monitor.model.problems import Outcome, Problem
from monitor.sources.batch import Batch, told_kept
from monitor.sources.ingest.review import Review
from monitor.sources.pulled import Pulled
from monitor.store.connection import naive
from monitor.store.dictionaries import Registry
from monitor.store.rewriting import take_out
from monitor.store.source_facts import store_fact
from monitor.store.sql import statement


def refuse(
    connection: duckdb.DuckDBPyConnection, registry: Registry, model: Model, source: str, batch: Batch, file: str,
    review: Review, now: datetime,
) -> Pulled:  # fmt: skip
    """Take nothing of the batch's one file, remember what it says of its source; files are tried again every cycle.

    A push that another one can settle waits; others are settled as refused.
    """
    refusal = review.refused[file]
    removed = 0
    with registry.transaction(connection):
        for fact, value in review.facts.items():
            store_fact(connection, registry.model_id, source, fact, value, now)
        if review.take_back:
            removed = _take_back(connection, registry, model, source, review, now)
    aside = {"taken_back": removed} if removed else {}
    back = f"; {removed:,} rows of files before it, taken as if they were not, are set aside" if removed else ""
    if batch.settled is not None:
        name = file
        if refusal.may_pass:
            text = f"push {name}: {refusal.why}; it waits in the inbox"
        else:
            batch.settled({file: Outcome(refused=refusal.why)})
            text = f"push {name}: {refusal.why}. {told_kept(batch.inbox, name)}"
        return Pulled(problems=[Problem(name, refusal.reason, text + back)], removed=removed, quarantined=aside)
    text = f"{file}: {refusal.why}; it is tried again every cycle{back}"
    return Pulled(problems=[Problem(file, refusal.reason, text)], removed=removed, quarantined=aside)


def _take_back(
    connection: duckdb.DuckDBPyConnection, registry: Registry, model: Model, source: str, review: Review, now: datetime
) -> int:
    """Samples of earlier files back out of the store and into quarantine, and their files to be read again."""
    numbers = sorted(review.take_back)
    removed = take_out(
        connection, registry, model, "s.model_id = $model_id AND list_contains($numbers, s.file_id)",
        {"model_id": registry.model_id, "numbers": numbers},
    )  # fmt: skip
    own = {"model_id": registry.model_id, "source": source, "numbers": numbers}
    connection.execute(statement("taken_back_quarantine"), {"model": model.name, "source": source, "now": naive(now)})
    connection.execute(statement("taken_back_cursors_delete"), own)
    return removed
