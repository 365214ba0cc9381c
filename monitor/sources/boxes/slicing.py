"""The slice values of detections, of the objects there are, and of images, as SQL over what is matched.

A detection is cut by its own class and size, an object by its own: precision asks of what was predicted, recall of what was
there. An image is cut by what it says itself, or by what all of its detections agree on.
"""

from monitor.config.boxes import CLASS_DIMENSIONS, SIZE, SIZE_NAMES
from monitor.sources.boxes.settings import matching_of
from monitor.store.connection import quote_text
from monitor.store.model_store import ModelStore

SEPARATOR = "chr(31)"  # between slice values inside slice_key


def detection_key(store: ModelStore) -> str:
    """Return the slice values of a detection (d, of an image i, m by its name), as ``Registry.map_slices`` reads them."""
    return _key(store, "coalesce(d.cuts[{0}], i.cuts[{0}])", has_box=True)


def object_key(store: ModelStore) -> str:
    """Return the slice values of an object (d, of an image i, m by its name; k: what detections say of the image)."""
    return _key(store, "coalesce(i.cuts[{0}], k.cuts[{0}])", has_box=True)


def image_key(store: ModelStore) -> str:
    """Return the slice values of an image (i; k: what detections say of it), empty for those that boxes alone have."""
    return _key(store, "coalesce(i.cuts[{0}], k.cuts[{0}])", has_box=False)


def _key(store: ModelStore, cut: str, *, has_box: bool) -> str:
    values = []
    for name in store.model.slices:
        if name in CLASS_DIMENSIONS:
            value = "m.class" if has_box else "NULL"
        elif name == SIZE and matching_of(store.model).size:
            value = _size(store) if has_box else "NULL"
        else:
            value = cut.format(quote_text(name))
        values.append(f"replace(coalesce({value}, ''), {SEPARATOR}, ' ')")
    return f"concat_ws({SEPARATOR}, {', '.join(values)})" if values else "''"


def _size(store: ModelStore) -> str:
    width, height = (
        f"(d.{far} - d.{near}) * CASE WHEN d.normalised THEN i.{side} ELSE 1 END"
        for near, far, side in (("x1", "x2", "width"), ("y1", "y2", "height"))
    )
    area = f"({width}) * ({height})"
    small, large = (limit * limit for limit in matching_of(store.model).size)
    return (
        f"CASE WHEN {area} < {small!r} THEN {quote_text(SIZE_NAMES[0])} WHEN {area} < {large!r} "
        f"THEN {quote_text(SIZE_NAMES[1])} ELSE {quote_text(SIZE_NAMES[2])} END"
    )
