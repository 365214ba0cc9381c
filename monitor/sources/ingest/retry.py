"""Parked labels tried again: their predictions may have come since."""

from datetime import datetime

from monitor.sources.ingest.file_numbers import load_file_numbers, number_files
from monitor.sources.ingest.ingest import merge_staged, quarantine_rows
from monitor.sources.ingest.staging import find_repeated
from monitor.sources.labels.parking import join_labels
from monitor.sources.labels.rules import define_missing, load_rules
from monitor.sources.pulled import Pulled
from monitor.store.connection import make_naive
from monitor.store.model_store import ModelStore
from monitor.store.sql import statement


def retry_parked(store: ModelStore, now: datetime) -> Pulled:
    """Join parked labels with predictions that have come since; quarantine those past the horizon."""
    connection, model = store.connection, store.model
    pulled = Pulled()
    if not store.execute(
        "SELECT 1 FROM parked_labels WHERE model_id = $model_id LIMIT 1", {"model_id": store.model_id}
    ).fetchone():
        return pulled
    meaning = {each.name: each for each in model.source}
    pushed = {each.name for each in model.source if each.kind == "http"}
    with store.transaction():
        store.execute(
            statement("parked_stage"), {"model_id": store.model_id, "too_old": make_naive(now - model.label_horizon)}
        )
        sources = [row[0] for row in store.execute("SELECT DISTINCT source FROM parked").fetchall()]
        store.execute("DELETE FROM parked_labels WHERE model_id = $model_id", {"model_id": store.model_id})
        for source in sources:
            rules = load_rules(store, meaning.get(source, model.source[0]), now)
            define_missing(connection, rules)
            store.execute(statement("parked_stage_of_source"), {"source": source})
            files = [file for (file,) in store.execute("SELECT DISTINCT file FROM staged").fetchall()]
            numbers = number_files(connection, store.model_id, source, files, pushed=source in pushed)
            load_file_numbers(connection, numbers)
            part = Pulled(parked=join_labels(store, source, now))
            _, part.quarantined = quarantine_rows(connection, model.name, source, now)
            store.registry.map_slices(connection, model)
            merge_staged(store, rules, now, part, repeated=find_repeated(connection))
            pulled.add_counts(part)
    return pulled
