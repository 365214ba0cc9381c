"""JSON Lines and CSV as nobody should write them, with what an independent reader makes of them."""

import csv
import gzip
import json
import re
from collections.abc import Callable, Mapping, Sequence
from io import StringIO
from typing import Any

import pyarrow as pa
from numpy.random import Generator

from .known import Known, note, note_unsure
from .mutant import ANY_BYTES, Mutant
from .values import ODD, OTHERS, TOKENS
from .worlds import Row, World, as_csv, as_json_lines

_ID = re.compile(r"\bm\d{6}x[0-9a-f]{8}-\d+\b")
BOMBS = 0.015  # of the files: values of megabytes
_ENDS = re.compile(r"\r\n|\n|\r")


def choose(rng: Generator, among: Sequence[Any]) -> Any:
    return among[int(rng.integers(len(among)))]


def mutate_json_lines(rng: Generator, world: World, name: str, rows: Sequence[Row]) -> Mutant:
    """One mutant, of values three times in four, else of bytes."""
    if rng.random() < 0.25:
        how = choose(rng, ANY_BYTES)
        return Mutant(f"{name}.jsonl", how(rng, as_json_lines(rows)), f"jsonl: {how.__name__}")
    how = _huge if rng.random() < BOMBS else choose(rng, _JSON)
    text, told = how(rng, rows)
    content = text.encode("utf-8", "surrogatepass")
    known = known_of_lines(content, world) if told else None
    return Mutant(
        f"{name}.jsonl",
        content,
        f"jsonl: {how.__name__}",
        rows=None if known is None else count_lines(content),
        known=known,
    )


def count_lines(content: bytes) -> int:
    """Lines that hold something else than blanks."""
    text = content.decode("utf-8", "replace").removeprefix("\ufeff")
    return sum(bool(line.strip(" ")) for line in _ENDS.split(text))


def known_of_lines(content: bytes, world: World) -> Known:
    """As Python reads each line; a key that stands twice gives both values."""
    known: Known = {}
    for line in _ENDS.split(content.decode("utf-8", "replace").removeprefix("\ufeff")):
        try:
            pairs = json.loads(line, object_pairs_hook=_Pairs)
        except (ValueError, RecursionError):
            for sample_id in _ID.findall(line):
                note_unsure(known, sample_id)
            continue
        if isinstance(pairs, _Pairs):
            found = {name: _reach(pairs, own.split(".")) for name, own in world.columns.items()}
            found["raw_score"] = _reach(pairs, ["raw_score"]) if world.name == "raw" else []
            for sample_id in found["sample_id"]:
                note(known, world, sample_id, found)
    return known


class _Pairs(list[tuple[str, Any]]):
    """An object with all its keys, also those that stand twice."""


def _reach(value: Any, steps: Sequence[str]) -> list[Any]:
    if not steps:
        return [value]
    if isinstance(value, _Pairs):
        return [found for key, inner in value if key == steps[0] for found in _reach(inner, steps[1:])]
    if isinstance(value, list) and steps[0].isdecimal() and int(steps[0]) < len(value):
        return _reach(value[int(steps[0])], steps[1:])
    return []


def _members(row: Row) -> list[tuple[str, str]]:
    return [(json.dumps(key), json.dumps(value)) for key, value in row.items()]


def _written(members: Sequence[tuple[str, str]]) -> str:
    return "{" + ", ".join(f"{key}: {value}" for key, value in members) + "}"


def _odd_tokens(rng: Generator, rows: Sequence[Row]) -> tuple[str, bool]:
    lines = []
    for row in rows:
        members = _members(row)
        if rng.random() < 0.6:
            at = int(rng.integers(len(members)))
            odd = ODD.get(json.loads(members[at][0]), OTHERS)
            members[at] = members[at][0], choose(rng, TOKENS) if rng.random() < 0.5 else json.dumps(choose(rng, odd))
        lines.append(_written(members))
    return "\n".join(lines) + "\n", True


def _odd_keys(rng: Generator, rows: Sequence[Row]) -> tuple[str, bool]:
    lines = []
    for row in rows:
        members = _members(row)
        at = int(rng.integers(len(members)))
        key, value = members[at]
        kind = int(rng.integers(8))
        if kind == 0:
            members.insert(int(rng.integers(len(members))), (key, choose(rng, TOKENS)))
        elif kind == 1:
            members[at] = key.upper(), value
        elif kind == 2:
            members += [('"' + "".join(chr(int(c)) for c in rng.integers(97, 123, 6)) + '"', "1") for _ in range(300)]
        elif kind == 3:
            members[at] = (
                choose(rng, ['""', '"$"', '"*"', r'"\u0000"', r'"\ud800"', '"a.b"', '"preds.0.score"', "score", "1"]),
                value,
            )
        elif kind == 4:
            del members[at]
        elif kind == 5:
            members.append(('"extra"', "[" + "1," * int(rng.integers(20_000)) + "1]"))
        elif kind == 6:
            members = [(key.replace("e", r"\u0065"), value) for key, value in members]
        else:
            rng.shuffle(members)
        lines.append(_written(members))
    return "\n".join(lines), True


def _huge(rng: Generator, rows: Sequence[Row]) -> tuple[str, bool]:
    """A long or a deep value in a key that nobody reads, or that is read."""
    lines = [_written(_members(row)) for row in rows]
    name = choose(rng, ["extra", "extra", "score", "camera", "sample_id"])
    long = choose(rng, [
        "[" + "0," * (4 << 20) + "0]", "[" * (1 << 20) + "]" * (1 << 20), '{"a":' * 300_000 + "1" + "}" * 300_000,
        '"' + "x" * (12 << 20) + '"', "9" * (1 << 20), "{" + '"a": 1, ' * 500_000 + '"b": 2}',
    ])  # fmt: skip
    lines[int(rng.integers(len(lines)))] = _written([*_members(rows[0]), (json.dumps(name), long)])
    return "\n".join(lines) + "\n", False


def _odd_lines(rng: Generator, rows: Sequence[Row]) -> tuple[str, bool]:
    """Other things between the rows: lists, words, blanks, comments, rows glued together or spread over lines."""
    others = [
        "", "  ", "\t", "[]", "[1]", '"text"', "1", "null", "{}", "{", "}", "#", "// x", "\x00", "\x01", "\x1e", "\u2028",
        "\ufeff", "[" * 5_000,
        '{"a":' * 3_000, "NaN", ",", "---", "x" * 100_000, "[" + _written(_members(rows[0])) + "]", '{"a": 1',
    ]  # fmt: skip
    lines: list[str] = []
    for row in rows:
        line = _written(_members(row))
        kind = int(rng.integers(8))
        if kind == 0:
            line = json.dumps(row, indent=1)
        elif kind == 1:
            line = line + choose(rng, [" ", ",", ";", line, "}", "#", "\x00"])
        elif kind == 2:
            line = choose(rng, [" ", "\t", "\ufeff", "\x1e", ",", "\u00a0", "data: "]) + line
        elif kind == 3:
            lines.append(choose(rng, others))
        lines.append(line)
    return choose(rng, ["\n", "\n", "\r\n", "\r"]).join(lines), True


def _whole(rng: Generator, rows: Sequence[Row]) -> tuple[str, bool]:
    """All rows as one value."""
    listed = list(rows)
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    return choose(rng, [
        json.dumps(listed), json.dumps(listed, indent=2), json.dumps({"rows": listed}), json.dumps(columns),
        json.dumps({name: dict(enumerate(held)) for name, held in columns.items()}), json.dumps(listed[0]), "[" * 90_000,
        ",\n".join(json.dumps(row) for row in rows), "".join(json.dumps(row) for row in rows), "[]", "{}", "null", "\n" * 5_000,
        "[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n",
        "\n".join(json.dumps(list(row.values())) for row in rows),
    ]), False  # fmt: skip


_JSON: tuple[Callable[[Generator, Sequence[Row]], tuple[str, bool]], ...] = (
    _odd_tokens, _odd_tokens, _odd_keys, _odd_lines, _whole,
)  # fmt: skip


def mutate_csv(rng: Generator, world: World, name: str, rows: Sequence[Row]) -> Mutant:
    """One mutant: of values, of the dialect, or of bytes."""
    kind = rng.random()
    if kind < 0.25:
        how = choose(rng, ANY_BYTES)
        return Mutant(f"{name}.csv", how(rng, as_csv(rows)), f"csv: {how.__name__}")
    if kind < 0.4:
        text = _broken(rng, as_csv(rows).decode())
        return Mutant(f"{name}.csv", text.encode("utf-8", "surrogatepass"), "csv: broken")
    table = [
        [json.dumps(value) if isinstance(value, list | dict) else str(value) for value in row.values()] for row in rows
    ]
    names, how = list(rows[0]), "dialect"
    if kind < 0.75:
        how = "values"
        for line in table:
            if rng.random() < 0.6:
                at = int(rng.integers(len(names)))
                line[at] = choose(rng, ODD.get(names[at], OTHERS))
    content, dialect = _in_a_dialect(rng, [names, *table], plain=how == "values")
    known = _known_of_table(names, table, world)
    return Mutant(
        f"{name}.csv", content, f"csv: {how} {dialect}", rows=None if known is None else len(rows), known=known
    )


def _known_of_table(names: Sequence[str], table: Sequence[Sequence[str]], world: World) -> Known | None:
    if world.name == "mapped":  # columns of JSON within text
        return None
    known: Known = {}
    for row in table:
        found = {name: [row[names.index(own)]] for name, own in world.columns.items()}
        found["raw_score"] = [row[names.index("raw_score")]] if world.name == "raw" else []
        note(known, world, found["sample_id"][0], found)
    return known


def _in_a_dialect(rng: Generator, table: Sequence[Sequence[str]], *, plain: bool) -> tuple[bytes, str]:
    """The table as some program writes it."""
    delimiter = "," if plain else choose(rng, [",", ";", "\t", "|"])
    end = choose(rng, ["\n", "\r\n"] if plain else ["\n", "\r\n", "\r"])
    quoting = choose(rng, [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
    sink = StringIO(newline="")
    csv.writer(sink, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows(table)
    text, encoding = sink.getvalue(), "utf-8"
    if not plain:
        text = (
            choose(
                rng, ["", "", "", "\ufeff", f"sep={delimiter}{end}", f"# made by x{end}", end * 3, f"Report{end}{end}"]
            )
            + text
        )
        text = text if rng.random() < 0.7 else text.rstrip("\r\n")
        encoding = choose(
            rng, ["utf-8"] * 6 + ["utf-16", "utf-16-le", "utf-32", "latin-1", "cp037", "utf-7", "utf-8-sig"]
        )
    return text.encode(encoding, "replace"), f"{delimiter!r} {end!r} {quoting} {encoding}"


def _broken(rng: Generator, text: str) -> str:
    """Quotes, delimiters, line ends, headers and lengths that do not fit."""
    lines = text.split("\n")
    at = int(rng.integers(len(lines)))
    fields = lines[at].split(",")
    kind = int(rng.integers(14))
    if kind == 0:
        lines[at] = lines[at].replace(",", ',"', 1)
    elif kind == 1:
        lines[at] = ",".join(fields[:-1] if rng.random() < 0.5 else [*fields, "x", "y"])
    elif kind == 2:
        lines[at] = lines[at] + "\r"
    elif kind == 3:
        lines = [line if index % 2 else line + "\r" for index, line in enumerate(lines)]
    elif kind == 4:
        lines[at] = "x" * int(rng.choice([10_000, 70_000, 300_000, 3_000_000])) + lines[at]
    elif kind == 5:
        lines[0] = choose(rng, [lines[0].upper(), lines[0] + ",score", ",".join(reversed(lines[0].split(","))), "", lines[1],
                                lines[0].replace(",", ", "), '"' + lines[0],
            lines[0].replace("score", ""), "," * 5_000])  # fmt: skip
    elif kind == 6:
        lines[at] = lines[at].replace(
            ",", choose(rng, ["\x00", "\x01", "\ud800", "\u2028", "\x1a", ";", "\t", ",,", '","'])
        )
    elif kind == 7:
        lines.insert(at, choose(rng, ["", ",", "," * 400, '"', '""', "#", "\x00", '"a\nb\nc', "sep=;", lines[0]]))
    elif kind == 8:
        lines[at] = lines[at].replace(",", '\\",', 1)
    elif kind == 9:
        lines = [line.replace(",", ",\x00", 1) for line in lines]
    elif kind == 10:
        lines = [f'"{line}"' for line in lines]
    elif kind == 11:
        lines = [lines[0], *([lines[1]] * 3_000)]
    elif kind == 12:
        lines = [line + "," for line in lines[:at]] + lines[at:]
    else:
        lines = [f"{index},{line}" if index else line for index, line in enumerate(lines)]
    return "\n".join(lines)


def pack(rng: Generator, mutant: Mutant) -> Mutant:
    """The same in gzip or zstd, whole or damaged; a bomb now and then; or under another ending."""
    kind = int(rng.integers(9))
    content, name, how = mutant.content, mutant.name, ""
    told: Mapping[str, Any] = {"rows": mutant.rows, "known": mutant.known}
    if kind < 2:
        content, how = gzip.compress(content), "gz"
    elif kind < 4:
        content, how = pa.compress(content, codec="zstd", asbytes=True), "zst"
    elif kind == 4:
        content, how, told = (
            gzip.compress(content[: len(content) // 2]) + gzip.compress(content[len(content) // 2 :]),
            "gz",
            {},
        )
    elif kind == 5:
        content, how, told = gzip.compress(content) + choose(rng, [b"\0" * 100, b"x", b"\x1f\x8b"]), "gz", {}
    elif kind == 6:
        line = content[: content.find(b"\n") + 1]
        bomb = choose(
            rng,
            [
                b"\0" * 40_000_000,
                b"\n" * 3_000_000,
                line + b"x" * 30_000_000,
                line + b"{}\n" * 200_000,
                line + b"," * 9_000_000,
            ],
        )
        content, how, told = gzip.compress(bomb, 1), "gz", {}
    else:
        ending = choose(
            rng, ["parquet", "csv", "jsonl", "csv.gz", "jsonl.zst", "tsv", "txt", "xlsx", "", "csv.bz2", "PARQUET"]
        )
        name = f"{name.partition('.')[0]}.{ending}"
        return Mutant(name, content, f"{mutant.how}, named {name.partition('.')[2]}")
    if how and kind < 7 and rng.random() < 0.4:
        mangle = choose(rng, ANY_BYTES)
        content, told = mangle(rng, content), {}
        how_told = f"{how} {mangle.__name__}"
    else:
        how_told = f"{how} kind {kind}"
    return Mutant(f"{name}.{how}", content, f"{mutant.how}, {how_told}", **told)
