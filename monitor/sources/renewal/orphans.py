"""Rows whose slice or stream is not stored: earlier releases could lose it, when what a rolled-back transaction had entered
was taken as stored. They are not read as rows of any slice, and their model's cycle fails.

They come under ``__other__``, where they count in the whole, and their files are read again, which puts each row where it
belongs. Rows of pushes, and of files that are gone, stay there.
"""

from collections.abc import Sequence
from datetime import datetime

from monitor.model import OTHER, Slice
from monitor.model.problems import Problem
from monitor.model.wording import quantity
from monitor.sources.records import store_notes
from monitor.sources.renewal.slices import SlicesRenewed, load_moved
from monitor.store.connection import fetch_column, make_naive
from monitor.store.model_store import ModelStore
from monitor.store.rewriting import rewrite_samples
from monitor.store.source_facts import load_facts, store_fact
from monitor.store.sql import run_script, statement

_ANY_SOURCE, _LOOKED = "", "slices_looked_at"  # a fact of a model


def mend_orphans(store: ModelStore, source: str, now: datetime) -> list[Problem]:
    """Give them a slice and a stream again, and have their files read again; told, and noted for ``source``. Cells are looked
    at, not samples: each sample has one. Once for a model: since then none can come in."""
    if _LOOKED in load_facts(store.connection, store.model_id, _ANY_SOURCE):
        return []
    where = {"model_id": store.model_id}
    slices = fetch_column(store.connection, statement("orphan_slices"), where)
    streams = fetch_column(store.connection, statement("orphan_streams"), where)
    told: list[Problem] = []
    with store.transaction():
        store_fact(store.connection, store.model_id, _ANY_SOURCE, _LOOKED, "", now)
        if not slices and not streams:
            return told
        store.execute(
            "INSERT INTO streams SELECT unnest($streams), $model_id, $other, '', $now, false",
            {**where, "streams": streams, "other": OTHER, "now": make_naive(now)},
        )
        store.execute(statement("orphans_collect"), {**where, "slices": slices, "streams": streams})
        # how many rows there are, and how many of them have a file: which is then forgotten to have been read
        rows, again = store.fetch_row(statement("orphans_counts"), where)
        store.execute(statement("orphans_cursors_delete"), where)
        if slices:
            _move_slices(store, slices)
        told = [Problem(source, "slices_mended", _told(rows, again))]
        store_notes(store.connection, store.model.name, source, told, now)
    return told


def _move_slices(store: ModelStore, lost: Sequence[int]) -> None:
    others = store.registry.number_slice(store.connection, Slice.of(dict.fromkeys(store.model.slices, OTHER)))
    store.execute(statement("orphans_replaced"), {"model_id": store.model_id, "lost": lost})
    store.execute(
        "CREATE OR REPLACE TEMP TABLE incoming AS SELECT * REPLACE ($others::INTEGER AS slice_id) FROM replaced",
        {"others": others},
    )
    rewrite_samples(store)
    load_moved(store.connection, SlicesRenewed(moved=dict.fromkeys(lost, others)))
    run_script(store.connection, "renewal_cells", {"model_id": store.model_id})  # of days whose samples are gone


def _told(rows: int, again: int) -> str:
    lost = rows - again
    text = f"{quantity(rows, 'row')} had lost their slice or version in an earlier release: counted under {OTHER} now"
    if again:
        text += f"; the files of {again:,} are read again, which puts each where it belongs"
    if lost:
        text += f"; {lost:,} came by push, or from files that calwatch does not know: send them again to have them put right"
    return text
