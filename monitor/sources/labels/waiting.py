"""Labels whose prediction has not come: how many, since when, and the ids of both sides that say why."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

import duckdb

from monitor.config.sources import SourceSettings
from monitor.model import WaitingLabels
from monitor.sources.labels.rules import define_missing, load_rules
from monitor.store.connection import delete_rows, fetch_column, insert_row, make_aware
from monitor.store.model_store import ModelStore
from monitor.store.sql import statement

COMPARED_LABELS, COMPARED_PREDICTIONS = 1_000, 5_000  # ids looked at for why, the newest
NEWEST_DUE = 100  # labels that tell how things stand now
_UNDER_WAY = timedelta(hours=1)  # predictions may come so much later than others of their time


@dataclass(frozen=True, slots=True)
class WaitingCount:
    """Labels of a source that wait; ``at`` of the oldest and the newest, None where none does."""

    labels: int = 0
    oldest_at: datetime | None = None
    newest_at: datetime | None = None


def count_waiting(store: ModelStore, now: datetime) -> dict[str, WaitingCount]:
    """Of each source that holds labels, and of others that have labels waiting, how many wait; 0 is a true 0."""
    held = fetch_column(
        store.connection,
        "SELECT DISTINCT source FROM parked_labels WHERE model_id = $model_id ORDER BY source",
        {"model_id": store.model_id},
    )
    names = [each.name for each in store.model.source if each.holds == "labels"]
    found = dict.fromkeys(names, WaitingCount())
    for source in held:
        labels, oldest, newest = store.fetch_row(statement("waiting_counted"), _of(store, source, now))
        if labels or source in names:
            found[source] = WaitingCount(labels, make_aware(oldest), make_aware(newest))
    return found


def count_due(store: ModelStore, source: str, now: datetime) -> tuple[int, int]:
    """(labels that wait though their prediction should be there, labels of the same time that found theirs).

    A label speaks of a prediction from before it. Once predictions have come that were observed after it, its own should
    be there. Of those that wait so the newest hundred are counted; labels known to be of another source are not.
    """
    own = _of(store, source, now)
    newest = {"under_way": _UNDER_WAY.total_seconds(), "newest": NEWEST_DUE}
    due, first, last = store.fetch_row(statement("waiting_due"), {**own, **newest})
    if not due:
        return 0, 0
    (joined,) = store.fetch_row(statement("waiting_joined"), {**own, "first": first, "last": last})
    return int(due), int(joined)


def load_newest_waiting(store: ModelStore, source: str, now: datetime) -> list[tuple[str, datetime, datetime | None]]:
    """The newest labels of a source that wait: sample_id, labelled_at and the observed_at they name."""
    own = {**_of(store, source, now), "most": COMPARED_LABELS}
    rows = store.execute(statement("waiting_newest"), own).fetchall()
    return [(name, make_aware(labelled) or labelled, make_aware(said)) for name, labelled, said in rows]


def load_newest_predictions(store: ModelStore, *, labelled: bool) -> list[tuple[str, datetime, str | None]]:
    """The model's newest predictions without a label, or with ``labelled`` those that have one: sample_id, observed_at and
    group_id."""
    rows = store.execute(
        statement("waiting_predictions"),
        {"model_id": store.model_id, "labelled": labelled, "most": COMPARED_PREDICTIONS},
    ).fetchall()
    return [(name, make_aware(at) or at, group) for name, at, group in rows]


def _of(store: ModelStore, source: str, now: datetime) -> dict[str, object]:
    """Whose labels, to be bound. The macro ``label_missing`` is then that of the source."""
    meaning = next((each for each in store.model.source if each.name == source), None)
    rules = load_rules(store, meaning or SourceSettings.model_validate({"kind": "http"}), now)
    define_missing(store.connection, rules)
    return {"model_id": store.model_id, "source": source}


def store_waiting(
    connection: duckdb.DuckDBPyConnection, model: str, found: Sequence[WaitingLabels], findings: Sequence[str]
) -> None:
    """Replace what was found of the model before; each finding says one of them in words."""
    delete_rows(connection, "waiting_labels", {"model": model})
    for each, finding in zip(found, findings, strict=True):
        values = asdict(each)
        del values["looked_at"]
        values |= {name: list(values[name]) for name in ("label_examples", "prediction_examples")}
        insert_row(connection, "waiting_labels", {**values, "suspicious": each.suspicious, "finding": finding})
