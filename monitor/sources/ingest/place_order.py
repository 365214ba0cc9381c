"""Several files of a batch take places as if one by one: where they run out, the file that comes first has them.

While all values of a batch find a place, or none is left, the order of its files says nothing. In between, the batch is taken
in parts: the files before the one that meets the limit, then that one, where frequent values come first, then the others.
"""

from collections.abc import Collection, Iterable

from monitor.model import MISSING, OTHER
from monitor.sources.batch import Batch
from monitor.sources.ingest.parting import apart_around
from monitor.store.dictionaries import plain_value
from monitor.store.model_store import ModelStore
from monitor.store.places import load_placeless, placed_pairs
from monitor.store.scores.logits import PLACE


def demand_places(store: ModelStore, batch: Batch) -> None:
    """Raises ApartError where the places of versions, calibrators or values of a slice run out within several files of
    `staged`."""
    if batch.part is None:
        return
    met = [*_slices_met(store), *_streams_met(store)]
    if met:
        raise apart_around(batch, {min(met)})


def _slices_met(store: ModelStore) -> Iterable[int]:
    model = store.model
    held = {dimension: store.registry.values.get(dimension, set()) for dimension in model.slices}
    if all(len(known) >= model.max_slice_values for known in held.values()):
        return
    rows = store.execute(
        f"SELECT slice_key, min({PLACE}) AS place FROM staged WHERE reason IS NULL AND slice_key IS NOT NULL "
        "GROUP BY slice_key ORDER BY place"
    ).fetchall()
    if all(len(known) + len(rows) <= model.max_slice_values for known in held.values()):
        return
    came = [(key.split("\x1f"), place) for key, place in rows]
    for index, dimension in enumerate(model.slices):
        values = ((plain_value(raw[index]), place) for raw, place in came)
        yield from _met(values, held[dimension], {MISSING, OTHER}, model.max_slice_values)


def _streams_met(store: ModelStore) -> Iterable[int]:
    placed = placed_pairs(store.connection, store.model_id)
    for part, (column, free) in enumerate(
        zip(("version", "calibrator"), load_placeless(store.connection, store.model), strict=True)
    ):
        held = {pair[part] for pair in placed} - free
        if len(held) >= store.model.max_versions:
            continue
        rows = store.execute(
            f"SELECT {column}, min({PLACE}) AS place FROM staged WHERE reason IS NULL AND {column} IS NOT NULL "
            f"GROUP BY {column} ORDER BY place"
        ).fetchall()
        yield from _met(rows, held, free, store.model.max_versions)


def _met(came: Iterable[tuple[str, int]], held: Collection[str], free: Collection[str], most: int) -> Iterable[int]:
    """The file at which the places that are left run out; none where none are left, or they do for all."""
    if len(held) >= most:
        return
    known = set(held)
    for value, place in came:
        if value not in free:
            known.add(value)
        if len(known) > most:
            yield place
            return
