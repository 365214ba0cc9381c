"""Whether stored outcomes beside labels followed from the labels, or were given by the source itself, which stay as they are.

A source whose files have a label and no outcome of their own leaves no doubt, nor does one that has both. Where no file can be
looked at (pushes, files that are gone) the stored rows tell: outcomes that were given differ from those that labels led to.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import duckdb

from monitor.model import Task
from monitor.model.errors import SourceError
from monitor.sources.batch import Batch, Source
from monitor.sources.ingest.review import ONE_SIDED_ROWS
from monitor.sources.labels.basis import Basis, by_source
from monitor.sources.records import read_cursor
from monitor.store.connection import fetch_column, fetch_row, quote_name, quote_text
from monitor.store.model_store import ModelStore
from monitor.store.sql import statement

Says = Literal["labels", "outcomes", "neither"]
_PEEKED = 20  # of the files read last, of which one is looked at
_LOOKED_AT = 10_000  # rows of it
_STRAY = 0.001  # of outcomes that followed from labels, and differ since rows of one identity were put together


@dataclass(frozen=True, slots=True)
class Origins:
    """``follows``: by source, whether outcomes beside labels followed from them; ``other``: of rows of no known source.

    ``pushed``: the source of all pushes, where there is one. ``mixed``: sources of labels beside others that give outcomes, and
    rows of which it is not known which they are of. ``of_predicted``: rows whose scores are of the predicted class.
    """

    follows: Mapping[str, bool]
    other: bool
    pushed: str | None = None
    mixed: tuple[str, ...] = ()
    of_predicted: int = 0

    @property
    def any_follows(self) -> bool:
        return self.other or any(self.follows.values())

    def source_sql(self, file_id: str, source: str) -> str:
        """The source (SQL, NULL = not known) of a row of the file with this number, and what the table of files says of it."""
        if self.pushed is None:
            return source
        return f"CASE WHEN {file_id} < 0 THEN {quote_text(self.pushed)} ELSE {source} END"

    def follows_sql(self, source: str) -> str:
        return by_source(
            source, {name: str(own).lower() for name, own in self.follows.items()}, str(self.other).lower()
        )


def ask_sources(store: ModelStore, sources: Sequence[Source], now: datetime) -> dict[str, Says]:
    """What one file of each source says of labels, by its columns; sources of which none can be looked at are left out.

    To be called outside a transaction: reading may fail.
    """
    files = {each.name for each in store.model.source if each.kind == "files"}
    asked = {source.name: _ask(store, source, now) for source in sources if source.name in files}
    return {name: said for name, said in asked.items() if said is not None}


def _ask(store: ModelStore, source: Source, now: datetime) -> Says | None:
    cursor = read_cursor(store.connection, store.model_id, source.name)
    newest = fetch_column(
        store.connection,
        "SELECT item FROM cursors WHERE model_id = $model_id AND source = $source ORDER BY read_at DESC LIMIT $most",
        {"model_id": store.model_id, "source": source.name, "most": _PEEKED},
    )
    for item in newest:
        del cursor[item]
    try:
        for found in source.read_batches(store.connection, cursor, now):
            if isinstance(found, Batch):
                return _says(store.connection, found)
    except (SourceError, duckdb.Error):  # it will be told when it is pulled
        pass
    return None


def _says(connection: duckdb.DuckDBPyConnection, batch: Batch) -> Says:
    """By its columns, and whether those for outcomes hold anything in its first rows."""
    if "label" not in batch.types:
        return "neither"
    own = [f"nullif(trim({quote_name(name)}::VARCHAR), '')" for name in ("outcome", "positives") if name in batch.types]
    if not own:
        return "labels"
    row = connection.execute(
        f"SELECT count(coalesce({', '.join(own)})) FROM (SELECT * FROM ({batch.relation}) LIMIT {_LOOKED_AT})"
    ).fetchone()
    return "outcomes" if row and row[0] else "labels"


def find_origins(store: ModelStore, says: Mapping[str, Says], old: Basis) -> Origins:
    """``says``: see ``ask_sources``; ``old``: what outcomes were derived by so far. The table renewal_files is there."""
    pushes = [each.name for each in store.model.source if each.kind == "http"]
    pushed = pushes[0] if len(pushes) == 1 else None
    names = [each.name for each in store.model.source]
    if (
        old.other.from_names
        and store.model.task is Task.BINARY
        and (odd := _of_predicted(store.connection, store.model_id))
    ):
        return Origins(dict.fromkeys(names, False), False, pushed, of_predicted=odd)
    counts = _count_rows(store, old, pushed)

    def outcomes_follow(source: str | None) -> bool:
        """Whether outcomes followed from labels: those that were given differ from them in more than stray rows."""
        count, odd = counts.get(source, (0, 0))
        return odd <= _STRAY * count

    follows = {name: says[name] != "outcomes" if name in says else outcomes_follow(name) for name in names}
    speaking = [name for name in names if says.get(name) != "neither"]
    kinds = {says.get(name) for name in speaking}
    other = kinds == {"labels"} or ("outcomes" not in kinds and outcomes_follow(None))
    mixed = tuple(name for name in speaking if says.get(name) != "outcomes")
    is_mixed = "outcomes" in kinds and mixed and None in counts
    return Origins(follows, other, pushed, mixed if is_mixed else ())


def _of_predicted(connection: duckdb.DuckDBPyConnection, model_id: int) -> int:
    """How many rows have scores of the predicted class: none is below one half, whichever class is predicted."""
    rows, classes, lowest = fetch_row(connection, statement("labels_with_classes"), {"model_id": model_id})
    return int(rows) if rows >= ONE_SIDED_ROWS and classes > 1 and lowest >= 0.5 else 0


def _count_rows(store: ModelStore, old: Basis, pushed: str | None) -> dict[str | None, tuple[int, int]]:
    """Labelled rows by source (None: not known), and those whose outcome is not what their label led to."""
    source = Origins({}, False, pushed).source_sql("s.label_file_id", "l.source")
    rows = store.execute(
        f"SELECT source, count(*), count(*) FILTER (positives <> outcome) FROM (SELECT source, positives, "
        f"{old.outcome_sql('source', 'label', 'predicted_class')} AS outcome FROM (SELECT s.label, s.predicted_class, "
        f"s.positives, {source} AS source FROM samples AS s "
        "LEFT JOIN renewal_files AS l ON l.file_id = s.label_file_id "
        "WHERE s.model_id = $model_id AND s.label IS NOT NULL AND s.positives IS NOT NULL AND s.n = 1)) "
        "GROUP BY source",
        {"model_id": store.model_id},
    ).fetchall()
    return {source: (count, odd) for source, count, odd in rows}
