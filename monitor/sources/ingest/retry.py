"""Parked labels tried again: their predictions may have come since."""

from datetime import datetime

import duckdb

from monitor.config.settings import Model
from monitor.sources.ingest.file_numbers import load_file_numbers, number_files
from monitor.sources.ingest.ingest import quarantine, take
from monitor.sources.ingest.staging import find_repeated
from monitor.sources.labels.parking import join_labels
from monitor.sources.labels.rules import define_missing, load_rules
from monitor.sources.pulled import Pulled
from monitor.store.connection import naive
from monitor.store.dictionaries import Registry
from monitor.store.sql import statement


def retry_parked(connection: duckdb.DuckDBPyConnection, registry: Registry, model: Model, now: datetime) -> Pulled:
    """Join parked labels with predictions that have come since; quarantine those past the horizon."""
    pulled = Pulled()
    if not connection.execute(
        "SELECT 1 FROM parked_labels WHERE model_id = $model_id LIMIT 1", {"model_id": registry.model_id}
    ).fetchone():
        return pulled
    meaning = {each.name: each for each in model.source}
    pushed = {each.name for each in model.source if each.kind == "http"}
    with registry.transaction(connection):
        connection.execute(
            statement("parked_stage"), {"model_id": registry.model_id, "too_old": naive(now - model.label_horizon)}
        )
        sources = [row[0] for row in connection.execute("SELECT DISTINCT source FROM parked").fetchall()]
        connection.execute("DELETE FROM parked_labels WHERE model_id = $model_id", {"model_id": registry.model_id})
        for source in sources:
            rules = load_rules(connection, registry.model_id, model, meaning.get(source, model.source[0]), now)
            define_missing(connection, rules)
            connection.execute(statement("parked_stage_of_source"), {"source": source})
            files = [file for (file,) in connection.execute("SELECT DISTINCT file FROM staged").fetchall()]
            numbers = number_files(connection, registry.model_id, source, files, pushed=source in pushed)
            load_file_numbers(connection, numbers)
            part = Pulled(parked=join_labels(connection, registry, model, source, now))
            _, part.quarantined = quarantine(connection, model.name, source, now)
            registry.map_slices(connection, model)
            take(connection, registry, model, rules, now, part, repeated=find_repeated(connection))
            pulled.add(part)
    return pulled
