"""When several files taken as if one by one cannot be taken at once, and the parts that give the same.

Files go together as long as none changes what the next ones mean. Where one does (it predicts a class under a word that was
taken for a missing label, it is refused, its times may be read in two ways, its logits look otherwise), those before it are
taken first, then it alone, then those after it.
"""

from collections.abc import Collection, Mapping, Sequence

import duckdb

from monitor.sources.batch import Batch
from monitor.sources.ingest.rounds import ApartError
from monitor.store.connection import fetch_column, fetch_row
from monitor.store.scores.logits import PLACE, follow_files


def apart_around(batch: Batch, alone: Collection[int]) -> ApartError:
    """The error that has a batch taken in parts: the files with these places (from 0) each alone, what lies between them
    together."""
    assert batch.part is not None
    chosen: list[list[int]] = [[]]
    for place in range(batch.files):
        if place in alone or not alone:
            chosen += [[place], []]
        else:
            chosen[-1].append(place)
    return ApartError([batch.part(places) for places in chosen if places])


def apart_files(batch: Batch, alone: Collection[str]) -> ApartError:
    """Return the error that has a batch taken in parts around these files."""
    return apart_around(batch, {place for place, file in enumerate(batch.items) if file in alone})


def demand_known_words(connection: duckdb.DuckDBPyConnection, batch: Batch, new: Collection[str]) -> None:
    """Raises ApartError where one of several files of `staged` predicts such a word: labels of those before it that say so
    are to be judged again, and counted with it."""
    if batch.part is None or not new:
        return
    first = f"SELECT min({PLACE}) FROM staged WHERE reason IS NULL AND list_contains($words, predicted_class)"
    raise apart_around(batch, fetch_row(connection, first, {"words": sorted(new)}))


def demand_no_folds(connection: duckdb.DuckDBPyConnection, batch: Batch) -> None:
    """Raises ApartError where files have times that clocks showed twice, found in `folded`: what the store has by then tells
    which of the two they are."""
    if batch.part is None:
        return
    raise apart_files(batch, fetch_column(connection, "SELECT DISTINCT file FROM folded"))


def demand_none_refused(batch: Batch, refused: Collection[str]) -> None:
    """Raises ApartError where some of several files are refused."""
    if batch.part is not None:
        raise apart_files(batch, refused)
    raise ApartError(batch.alone)


def follow_logits(connection: duckdb.DuckDBPyConnection, batch: Batch, facts: Mapping[str, str]) -> str | None:
    """What ``normalize_logits`` is to be told of several files; None of one. Raises ApartError where the vectors of a file
    change what the source is known to hold."""
    if batch.part is None:
        return None
    changing, recent = follow_files(connection, batch.meaning, facts)
    if changing is not None:
        raise apart_around(batch, {changing})
    return recent


def split_damaged(batch: Batch, message: str) -> Sequence[Batch]:
    """Parts of a batch one of whose files cannot be read: around the one that the error names, or else halves. None of one
    file."""
    if batch.part is None:
        return batch.alone
    named = [place for place, file in enumerate(batch.items) if file in message]
    if len(named) == 1:
        return apart_around(batch, named).batches
    half = batch.files // 2
    return [batch.part(range(half)), batch.part(range(half, batch.files))]
