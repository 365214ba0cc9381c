"""Names of YOLO's classes, from the lists that annotation tools and trainers put beside its files."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb

from monitor.model.errors import SourceError
from monitor.sources.formats.boxes.small_files import text_of

_LISTS = ("classes.txt", "obj.names", "classes.names", "predefined_classes.txt", "names.txt", "labels.txt")
_UP = 3  # folders above the files
_LARGEST = 1_000_000  # bytes
_LISTED = re.compile(r"^names\s*:\s*\[(.*?)\]", re.MULTILINE | re.DOTALL)
_BELOW = re.compile(r"^names\s*:\s*(?:#.*)?$((?:\n[ \t]*(?:-|\d+\s*:)[^\n]*)+)", re.MULTILINE)
_LINE = re.compile(r"^[ \t]*(?:-|(\d+)\s*:)\s*(.+?)\s*$", re.MULTILINE)


def find_class_names(beside: Sequence[Path]) -> tuple[list[str], Path] | None:
    """Return the names of classes 0, 1, … and the file that says them; None where there is none. ``beside``: files of boxes."""
    for path in beside:
        for folder in [path.parent, *path.parent.parents][:_UP]:
            for found in _lists(folder):
                if names := _names(found):
                    return names, found
    return None


def _lists(folder: Path) -> Iterator[Path]:
    held = [folder / (name + packed) for name in _LISTS for packed in ("", ".gz", ".zst")] + sorted(
        [*folder.glob("*.yaml"), *folder.glob("*.yml")]
    )
    yield from (path for path in held if path.is_file() and path.stat().st_size < _LARGEST)


def _names(path: Path) -> list[str]:
    try:
        text = _text(path)
    except (OSError, UnicodeDecodeError, SourceError, duckdb.Error):
        return []
    if path.suffix in (".yaml", ".yml"):
        return _of_yaml(text)
    names = [line.strip() for line in text.splitlines()]
    names = names[: len(names) - next((n for n, name in enumerate(reversed(names)) if name), len(names))]
    return names if all(names) and not any(re.fullmatch(r"[\d.\s-]+", name) for name in names) else []


def _text(path: Path) -> str:
    if path.suffix not in (".gz", ".zst"):
        return path.read_text("utf-8-sig")
    with duckdb.connect() as connection:
        return text_of(connection, str(path))


def _of_yaml(text: str) -> list[str]:
    """``names`` of a trainer's data.yaml: a list in brackets, of dashes, or numbered from 0.

    >>> _of_yaml("nc: 2\\nnames:\\n  0: person  # of any age\\n  1: 'fork lift'\\n")
    ['person', 'fork lift']
    >>> _of_yaml("names: [person, 'a, b']")
    ['person', 'a, b']
    """
    if found := _LISTED.search(text):
        parts = re.findall(r"'([^']*)'|\"([^\"]*)\"|([^,'\"\s][^,'\"]*)", found[1])
        return [(one or two or three).strip() for one, two, three in parts]
    below = _BELOW.search(text)
    rows = [(number, _bare(name)) for number, name in _LINE.findall(below[1])] if below else []
    if any(number for number, _ in rows):
        numbered = {int(number): name for number, name in rows if number}
        return [numbered[place] for place in range(len(numbered))] if set(numbered) == set(range(len(numbered))) else []
    return [name for _, name in rows]


def _bare(value: str) -> str:
    if value[:1] in "'\"":
        return value[1:].partition(value[0])[0]
    return value.partition(" #")[0].strip()
