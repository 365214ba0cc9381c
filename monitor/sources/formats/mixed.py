"""Files of several formats and layouts as one batch: rows of equal columns and types together, each file counted by itself."""

from collections.abc import Hashable, Sequence

from monitor.sources.batch import Rows
from monitor.sources.formats import relations as formats
from monitor.sources.formats.layout import Layout, rejects_of
from monitor.store.connection import quote_text

_ROW_BITS = 40  # of a position: above them is the place of the file


def relations_of(files: Sequence[tuple[str, Layout]]) -> tuple[tuple[Rows, ...], str | None]:
    """The rows of these files, once for each shape they have, and the SELECT of lines that made no row; None where every line
    of every file does. Of several files positions tell the place of the file in ``files``, from 1."""
    scans: dict[Hashable, list[int]] = {}
    for place, (_, layout) in enumerate(files):
        scans.setdefault(layout.signature, []).append(place)
    shapes: dict[Hashable, tuple[Layout, list[str]]] = {}
    unused: dict[Hashable, frozenset[str]] = {}
    rejects = None
    for places in scans.values():
        layout = files[places[0]][1]
        nowhere = frozenset.intersection(*(files[place][1].unused for place in places))
        if layout.text:
            texts = [(files[place][0], files[place][1].text) for place in places]
            relation, rejects_here = formats.texts_of(texts, layout), None
        else:
            relation, rejects_here = formats.relation_of([files[place][0] for place in places], layout)
        rejects = rejects_here or rejects
        shape = layout.tells_unreadable, tuple(layout.types.items())
        unused[shape] = unused.get(shape, nowhere) & nowhere
        shapes.setdefault(shape, (layout, []))[1].append(_placed(relation, places, layout, len(files)))
    rows = tuple(
        Rows(" UNION ALL ".join(relations), layout.types, layout.tells_unreadable, unused[shape])
        for shape, (layout, relations) in shapes.items()
    )
    is_several = len(files) > 1 or any(layout.long for _, layout in files)
    return rows, _rejects(files) if rejects and is_several else rejects


def _placed(relation: str, places: Sequence[int], layout: Layout, files: int) -> str:
    """The relation of one scan with positions that tell the places of its files among all ``files``."""
    if files == 1 or (len(places) == files and layout.format != "csv"):
        return relation  # as it is
    if layout.format == "csv":
        position = f"({places[0] + 1}::BIGINT << {_ROW_BITS}) + _position"
    else:
        own = ", ".join(str(place + 1) for place in places)
        position = (
            f"(list_extract([{own}], _position >> {_ROW_BITS})::BIGINT << {_ROW_BITS}) "
            f"+ (_position & {(1 << _ROW_BITS) - 1})"
        )
    return f"SELECT * REPLACE ({position} AS _position) FROM ({relation})"


def _rejects(files: Sequence[tuple[str, Layout]]) -> str:
    """Lines are counted from below the header of their file, which is not in the same line of all."""
    first = [layout.skipped + 1 for _, layout in files]
    long = [(path, line) for path, layout in files for line in layout.long]
    if len(set(first)) == 1:
        return rejects_of(first[0], long)
    paths = ", ".join(quote_text(path) for path, _ in files)
    return rejects_of(f"list_extract({first}, list_position([{paths}], file_path))", long)
