"""From what a person points at to a configuration: files, rows, guesses, and the text with a reason beside each."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

from monitor.cli.guess.boxes.draft import draft_boxes
from monitor.cli.guess.columns import Table
from monitor.cli.guess.delays import guess_delays
from monitor.cli.guess.found import Guess, Meaning
from monitor.cli.guess.meaning import guess_meaning
from monitor.cli.guess.reading import Found, find_files, merge_folders, read_table
from monitor.cli.guess.roles import find_roles
from monitor.cli.guess.times import guess_times
from monitor.cli.guess.writing import Part, write_config
from monitor.config.sources import CANONICAL_COLUMNS
from monitor.model.errors import UsageError
from monitor.model.wording import quantity

_MOST_FOLDERS = 12  # of a directory that are looked into
_PLAIN_NAMES = {"data", "samples", "input", "export", "test"}


@dataclass(frozen=True, slots=True)
class Draft:
    """A calwatch.toml and what to tell of it.

    ``read`` names the rows it was guessed from, ``guesses`` are settings with their reasons, ``by_name`` says of each source
    which columns are called as calwatch calls them; ``todo`` pairs what is not known with what to do.
    """

    text: str
    read: str
    guesses: list[Guess]
    by_name: list[str]
    todo: list[tuple[str, str]]


def draft_config(asked: str, directory: Path) -> Draft:
    """Return a configuration for ``directory`` whose sources are the files that ``asked`` names: a file, a glob, a directory.

    Raises UsageError when there is nothing to read, or it cannot be read.
    """
    if (boxes := draft_boxes(asked, directory)) is not None:
        return Draft(boxes.text, boxes.read, boxes.guesses, boxes.by_name, boxes.todo)
    founds = find_files(asked)
    tables = [(found, read_table(found)) for found in founds[:_MOST_FOLDERS]]
    tables = [pair for pair in _merge(tables, asked) if pair[1].rows]
    if not tables:
        raise UsageError(f"--from {asked}: holds no rows, only a header or nothing", "name a file with rows")
    kept, rest = _sort(tables)
    (main, table), labels = kept["samples"], kept["labels"][1] if "labels" in kept else None
    meaning = guess_meaning(table if labels is None else _joined(table, labels))
    if labels is not None:
        _settle_labels(meaning, table, labels)
    _tell_rest(meaning, main, [found for found, _ in rest], len(founds))
    parts = [_part(holds, found, meaning, own, directory) for holds, (found, own) in kept.items()]
    model = [_name(main), meaning.task, *meaning.model, _slices(meaning), *guess_delays(meaning, labels)]
    read = " and ".join(
        f"{quantity(own.rows, 'row')} of {_named(found, len(kept) > 1)}" for found, own in kept.values()
    )
    head = files("monitor.cli.starter").joinpath("calwatch.toml").read_text("utf-8")
    text = write_config(head, f"{asked}, from {read}", model, parts, meaning.todo)
    told = {f" of {part.holds}" if len(parts) > 1 else "": part for part in parts}
    guesses = [replace(one, key=one.key + whose) for whose, part in told.items() for one in part.list_guesses()]
    by_name = [f"taken by their names{whose}: {', '.join(part.same)}" for whose, part in told.items() if part.same]
    return Draft(text, read, [*model, *guesses], by_name, meaning.todo)


def _merge(tables: Sequence[tuple[Found, Table]], asked: str) -> Iterator[tuple[Found, Table]]:
    """Folders whose files are alike become one."""
    groups: dict[tuple[object, ...], list[tuple[Found, Table]]] = {}
    for found, table in tables:
        ending = found.pattern.rpartition("*")[2]
        groups.setdefault((ending, *sorted(column.name for column in table.columns)), []).append((found, table))
    for alike in groups.values():
        if len(alike) == 1:
            yield alike[0]
            continue
        whole = merge_folders([found for found, _ in alike], str(Path(asked).resolve()))
        yield whole, read_table(whole)


def _sort(tables: list[tuple[Found, Table]]) -> tuple[dict[str, tuple[Found, Table]], list[tuple[Found, Table]]]:
    """The predictions, with labels in a table of their own where the predictions have none; and the rest."""
    roles = [find_roles(table) for _, table in tables]
    scored = [
        place for place, each in enumerate(roles) if {"score", "positives"} & each.columns.keys() or each.probabilities
    ]
    first = max(scored or range(len(tables)), key=lambda place: (len(tables[place][0].files), -place))
    truth = {"outcome", "label"}
    labels = [
        place for place, each in enumerate(roles)
        if place != first and place not in scored and "sample_id" in each.columns and truth & each.columns.keys()
        and not truth & roles[first].columns.keys()
    ]  # fmt: skip
    kept = dict(zip(("samples", "labels"), (first, *labels), strict=False))
    rest = [pair for place, pair in enumerate(tables) if place not in kept.values()]
    return {holds: tables[place] for holds, place in kept.items()}, rest


def _joined(main: Table, labels: Table) -> Table:
    """The predictions with the truth of their labels beside them, None where a label is not among those tried."""
    own, other = find_roles(main).columns.get("sample_id"), find_roles(labels)
    ids = other.columns["sample_id"]
    rows = {value: row for row, value in enumerate(ids.cells) if value is not None}
    by_row = [rows.get(value) if value is not None else None for value in (own.cells if own is not None else ())]
    if not any(row is not None for row in by_row):  # none found: the values at least
        by_row = [row if row < labels.rows else None for row in range(main.rows)]
    truth = [other.columns[role] for role in ("outcome", "label") if role in other.columns]
    added = [replace(column, raw=tuple(None if row is None else column.raw[row] for row in by_row)) for column in truth]
    return Table((*main.columns, *added), main.files)


def _settle_labels(meaning: Meaning, main: Table, labels: Table) -> None:
    """The columns of the source of labels, each under its role."""
    mine, other = meaning.roles, find_roles(labels)
    names = {column.name for column in main.columns}
    truth = {role: column for role, column in mine.columns.items() if column.name not in names}
    mine.labels = {"sample_id": other.columns["sample_id"], **truth}
    mine.reasons["labels.sample_id"] = other.reasons["sample_id"]
    for role in ("labelled_at", "observed_at"):
        if role in other.columns and "labelled_at" not in mine.labels:
            mine.labels["labelled_at"] = other.columns[role]
            mine.reasons["labelled_at"] = other.reasons[role]
    for role in truth:
        del mine.columns[role]


def _tell_rest(meaning: Meaning, main: Found, rest: list[Found], folders: int) -> None:
    for found in rest:
        meaning.leave_open("path", f"{_named(found)} has other columns and is left out: add a [[model.source]] for it")
    if folders > _MOST_FOLDERS:
        meaning.leave_open("path", f"only the first {_MOST_FOLDERS} of {folders:,} folders were looked into")
    file = main.files[0]
    beside = [one for one in file.parent.glob(f"*{file.suffix}") if one.is_file() and one != file]
    if beside and "*" not in main.pattern:
        others = f"for {quantity(len(beside), 'other file')} beside it, and later ones"
        meaning.leave_open("path", f'only {file.name} is read: {others}, write a glob such as "*{file.suffix}"')


def _part(holds: str, found: Found, meaning: Meaning, table: Table, directory: Path) -> Part:
    roles = meaning.roles
    columns = roles.labels if holds == "labels" else roles.columns
    times, todo = guess_times([columns[role] for role in ("observed_at", "labelled_at") if role in columns])
    meaning.todo.extend(one for one in todo if one not in meaning.todo)
    settings = [Guess("path", _path(found.pattern, directory), "")]
    if found.format is not None:
        settings.append(Guess("format", found.format, "by its first bytes"))
    settings += times
    for one in meaning.source:
        settings += [one] if ("outcome" in columns if one.key == "outcomes" else holds == "samples") else []
    reasons = {role: roles.reasons.get(f"{holds}.{role}") or roles.reasons[role] for role in columns}
    mapped = [Guess(role, column.name, reasons[role]) for role, column in columns.items()]
    if holds == "samples":
        mapped += [Guess(name, column.name, why) for name, column, why in meaning.slices]
    taken = {guess.value for guess in mapped}
    same = [guess.key for guess in mapped if guess.key == guess.value]
    same += [column.name for column in table.columns if column.name in CANONICAL_COLUMNS and column.name not in taken]
    return Part(holds, settings, [guess for guess in mapped if guess.key != guess.value], same)


def _slices(meaning: Meaning) -> Guess:
    why = "; ".join(f"{name}: {reason}" for name, _, reason in meaning.slices)
    return Guess(
        "slices", [name for name, _, _ in meaning.slices], why or "no column of few values that come again was found"
    )


def _path(pattern: str, directory: Path) -> str:
    """Relative where the files lie in the directory or beside it, so that both can be moved together; else absolute."""
    relative = os.path.relpath(pattern, directory.resolve())
    return pattern if relative.startswith(f"..{os.sep}..") else relative


def _name(found: Found) -> Guess:
    if "*" in found.pattern:
        folders = found.pattern.partition("*")[0].split("/")[:-1]
        own = next((folder for folder in reversed(folders) if "=" not in folder), "")
    else:
        own = found.files[0].name.partition(".")[0]
    words = "-".join(re.findall(r"[^\W\d_]+", own)).lower()
    if len(words) < 3 or words in _PLAIN_NAMES:
        return Guess("name", "model", "no name was found: it is the label `model` of its series")
    return Guess("name", words, "from the name of the file: the label `model` of its series")


def _named(found: Found, with_folder: bool = True) -> str:
    more = f" and {len(found.files) - 1:,} more" if len(found.files) > 1 else ""
    folder = f"{found.files[0].parent.name}/" if with_folder else ""
    return f"{folder}{found.files[0].name}{more}"
