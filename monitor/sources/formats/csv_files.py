"""CSV as people have it: where its header is, how its fields are parted and quoted, and what keeps it from being read."""

import csv
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO

import duckdb

from monitor.model.errors import SourceError
from monitor.sources.formats import long_lines
from monitor.sources.formats.folders import demand_agreement
from monitor.sources.formats.heads import Head, demand_utf8, read_head
from monitor.sources.formats.layout import TIMES, Layout, are_numbers, are_times, read_path, rejects_of
from monitor.sources.formats.open_quotes import demand_quotes_closed
from monitor.sources.formats.paths import parted_paths, text_in_text
from monitor.store.connection import quote_name, quote_text

_DELIMITERS = ",;\t|"
_LOOKED = 100  # rows of the head that are looked at
_HEADER_WITHIN = 50  # lines: what stands above a header is short
_QUOTED = re.compile(r'"[^"]*"')
_OPENED = re.compile(r'(^\ufeff?|[,;|\t])\s*"')
_SEPARATOR = re.compile(r"sep=(.)", re.IGNORECASE)
_SEVERAL = 2


@dataclass(frozen=True, slots=True)
class _Header:
    line: int  # from 0
    delimiter: str
    names: tuple[str, ...]


def csv_layout(
    connection: duckdb.DuckDBPyConnection, path: str, wanted: Mapping[str, str], folders: Mapping[str, str | None]
) -> Layout:
    """Look at the first lines. Raises SourceError with what to do when they are not those of a CSV file."""
    head = read_head(connection, path)
    demand_utf8(path, head, header=True)
    header = _header(head.lines or (head.text,), set(wanted.values()))
    _demand_closed_quotes(head.lines[: header.line + 1])
    _demand_single_names(header.names, wanted.values())
    rows = _rows(head, header.line + 1, header.delimiter)
    names = _fitting_names(header, rows)
    escape = "\\" if _escapes_by_backslash(head.lines[header.line + 1 :], header.delimiter, len(names)) else '"'
    if escape == '"':
        demand_quotes_closed(path, long_lines.CSV_LINE, header.delimiter, connection)
    columns = ", ".join(f"{quote_text(name)}: 'VARCHAR'" for name in names)
    mixed = _mixes_line_ends(head.text)  # which a strict reader stops at, or reads no row of
    dialect = (
        f"columns = {{{columns}}}, delim = {quote_text(header.delimiter)}, quote = '\"', escape = {quote_text(escape)}, "
        f"header = false, skip = {header.line + 1}, auto_detect = false, hive_partitioning = false, null_padding = false, "
        f"{long_lines.line_limits(long_lines.CSV_LINE)}, "
        f"store_rejects = true, rejects_limit = 0, nullstr = ''{', strict_mode = false' if mixed else ''}"
    )
    relation = f"read_csv({read_path(path)}, {dialect})"
    expressions = _expressions(connection, relation, wanted, names, folders)
    for name in expressions.keys() - set(TIMES):
        if (own := wanted[name]) in folders and own in names:
            demand_agreement(connection, relation, quote_name(own), own, folders[own])
    values = {
        name: [row[at].strip() for row in rows if at < len(row) and row[at].strip()] for at, name in enumerate(names)
    }
    return Layout(
        "csv",
        dict.fromkeys(expressions, "VARCHAR"),
        expressions,
        (*names, *(own for own in folders if own not in names)),
        0,
        dialect,
        skipped=header.line + 1,
        times=tuple(name for name, held in values.items() if are_times(held)),
        numbered={
            name: values[own][0] for name, own in wanted.items() if name in TIMES and are_numbers(values.get(own, []))
        },
        hint=_hint(header.names),
    )


def _header(lines: Sequence[str], wanted: set[str]) -> _Header:
    """The first line that says something; one below it where only that names columns of ours, or one after a ``#``."""
    separator, candidates = "", list[_Header]()
    for number, line in enumerate(lines[:_HEADER_WITHIN]):
        said = line.strip("\ufeff \t\"'")
        if not said.strip(_DELIMITERS):
            continue
        if not candidates and (given := _SEPARATOR.fullmatch(said)):
            separator = given[1]
            continue
        candidates.append(_parted(number, line, separator, wanted))
    if not candidates:
        raise SourceError("its first lines are empty, so it names no columns")
    plain = [each for each in candidates if not each.names[0].startswith("#")]
    if plain and wanted & set(plain[0].names):
        return plain[0]
    for each in candidates:
        names = (each.names[0].lstrip("# "), *each.names[1:])
        if len(wanted & set(names)) >= _SEVERAL:
            return _Header(each.line, each.delimiter, names)
    return plain[0] if plain else candidates[0]


def _parted(number: int, line: str, separator: str, wanted: set[str]) -> _Header:
    outside = _QUOTED.sub("", line)
    if separator and separator in outside:
        return _Header(number, separator, _fields(line, separator))
    parted = [_Header(number, each, _fields(line, each)) for each in _DELIMITERS]
    return max(parted, key=lambda each: (len(wanted & set(each.names)), outside.count(each.delimiter)))


def _fields(line: str, delimiter: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in next(csv.reader([line.lstrip("\ufeff")], delimiter=delimiter), [""]))


def _rows(head: Head, first: int, delimiter: str) -> list[list[str]]:
    """The first rows, as far as the head holds them whole."""
    rows = []
    try:
        for row in csv.reader(StringIO("\n".join(head.lines[first:]), newline=""), delimiter=delimiter):
            if row:
                rows.append(row)
            if len(rows) > _LOOKED:
                break
    except csv.Error:
        pass  # what is read is told line by line
    return rows[:-1] if len(rows) > 1 and (not head.whole or len(rows) > _LOOKED) else rows


def _fitting_names(header: _Header, rows: Sequence[Sequence[str]]) -> list[str]:
    """A name for each field of a row. Raises SourceError when the rows of the file do not fit to its header."""
    names = list(header.names)
    counts = {len(row) for row in rows}
    if len(counts) == 1 and (count := counts.pop()) != len(names):
        if count == len(names) + 1 and not any(row[-1].strip() for row in rows):
            names.append("")  # rows end with a delimiter, the header does not
        elif count == len(names) - 1 and not names[-1]:
            names.pop()
        elif len(rows) >= _SEVERAL:
            raise SourceError(
                f'its header names {len(names)} columns parted by "{header.delimiter}", its rows have {count} fields '
                f"{_misfit(count, len(names), header.delimiter)}"
            )
    named: list[str] = []
    seen: set[str] = set()
    for position, name in enumerate(names, 1):  # an index column often has no name
        named.append(name if name and name.casefold() not in seen else f"column {position}")
        seen.add(named[-1].casefold())
    return named


def _misfit(count: int, names: int, delimiter: str) -> str:
    perhaps = []
    if count > names and delimiter == ",":
        perhaps.append("decimal commas: write decimal points")
    if count == names + 1:
        perhaps.append("row names without a header, as R writes them: name that column, or leave it out")
    return f"({'; or '.join(perhaps) or 'see its first lines'})"


def _demand_closed_quotes(lines: Sequence[str]) -> None:
    """Raises SourceError when a text in quotes goes on over the end of a line: DuckDB would count lines otherwise than we."""
    for number, line in enumerate(lines, 1):
        if line.count('"') % 2 and _OPENED.search(line):
            raise SourceError(
                f"opens a quote in line {number}, at or above its header, and does not close it there: leave it out"
            )


def _demand_single_names(header: Sequence[str], wanted: Collection[str]) -> None:
    """Raises SourceError when a column of ours is named twice; upper and lower case are alike."""
    folded = [name.casefold() for name in header]
    twice = [name for name in header if name and folded.count(name.casefold()) > 1]
    ours = {name.casefold() for name in wanted}
    if any(name.casefold() in ours for name in twice):
        raise SourceError(f"names a column twice (upper and lower case are alike): {', '.join(twice)}; rename one")


def _escapes_by_backslash(lines: Sequence[str], delimiter: str, width: int) -> bool:
    r"""Whether quotes within quotes are written \" (as Spark does) and not doubled: which of the two parts lines rightly."""
    doubled = backslash = 0
    for line in lines:
        if '\\"' in line:
            doubled += _parts(line, delimiter, width, doublequote=True)
            backslash += _parts(line, delimiter, width, doublequote=False)
    return backslash > doubled


def _parts(line: str, delimiter: str, width: int, *, doublequote: bool) -> bool:
    try:
        (row,) = csv.reader(
            [line], delimiter=delimiter, doublequote=doublequote, escapechar=None if doublequote else "\\", strict=True
        )
    except (csv.Error, ValueError):
        return False
    return len(row) == width


def _mixes_line_ends(text: str) -> bool:
    outside = _QUOTED.sub("", text)
    return (
        len({end for end in ("\r\n", "\n", "\r") if end in outside.replace("\r\n", "\0" if end != "\r\n" else end)}) > 1
    )


def _expressions(
    connection: duckdb.DuckDBPyConnection, relation: str, wanted: Mapping[str, str], names: Sequence[str],
    folders: Mapping[str, str | None],
) -> dict[str, str]:  # fmt: skip
    """SQL of each column of ours that the file has, as text."""
    found = {}
    for name, own in wanted.items():
        if own in names:
            found[name] = f"trim({quote_name(own)})"
        elif own in folders:
            value = folders[own]
            found[name] = "NULL::VARCHAR" if value is None else quote_text(value)
        else:
            column, steps = next(((column, steps) for column, steps in parted_paths(own) if column in names), ("", ()))
            text = text_in_text(quote_name(column), steps) if column else ""
            if text and connection.execute(f"SELECT 1 FROM {relation} WHERE {text} IS NOT NULL LIMIT 1").fetchone():
                found[name] = f"trim({text})"
    return found


def _hint(names: Sequence[str]) -> str:
    if len(names) == 1:
        return 'its first line has none of the delimiters "," ";" "|" and tab'
    numbers = sum(bool(re.fullmatch(r"-?\d+([.,]\d+)?", name)) for name in names)
    if any(are_times([name]) for name in names) or numbers > len(names) / 2:
        return "its first line seems to hold values: put a header above it that names the columns"
    return ""


def csv_relation(path: str, layout: Layout, columns: str) -> tuple[str, str]:
    """The SELECT over a file, and the SELECT of lines that made no row."""
    number = "row_number() OVER () - 1"  # DuckDB keeps the order of lines
    return (
        f"SELECT {quote_text(path)} AS _file, {number} AS _row, {number} AS _position{columns} "
        f"FROM read_csv({read_path(path)}, {layout.dialect})"
    ), rejects_of(layout.skipped + 1)
