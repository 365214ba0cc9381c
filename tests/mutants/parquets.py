"""Parquet as nobody should write it: footers and page headers changed, and well-formed files with odd types and values."""

import struct
from collections.abc import Callable, Sequence
from datetime import datetime
from io import BytesIO
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.random import Generator

from .known import Known, note
from .mutant import ANY_BYTES, Mutant
from .texts import choose
from .thrift import Node, change, field_of, read_struct, write_node
from .values import ODD, OTHERS
from .worlds import Row, World, as_table, write_table

BOMBS = 0.015  # of the files: small ones that stand for gigabytes
_TAIL = 8  # bytes: the footer's length, and PAR1


def mutate_parquet(rng: Generator, world: World, name: str, rows: Sequence[Row]) -> Mutant:
    """One mutant: of the footer, of a page's header, of bytes, or a table of odd types or values, well written."""
    kind = rng.random()
    table = as_table(rows)
    if kind < BOMBS:
        content, said = _bomb(rng, rows)
        return Mutant(f"{name}.parquet", content, f"parquet: {said}")
    if kind < 0.6:
        content = write_table(table, **_options(rng))
        how: Callable[[Generator, bytes], tuple[bytes, str]]
        how = choose(rng, [_footer, _footer, _footer, _page, _page, _anywhere, _frame, _forged])
        changed, said = how(rng, content)
        return Mutant(f"{name}.parquet", changed, f"parquet: {said}")
    if kind < 0.7:
        changed_table, said = _of_odd_types(rng, table)
    else:
        changed_table, said = _of_odd_values(rng, rows, table)
    try:
        content = write_table(changed_table, **_options(rng))
    except (pa.ArrowException, NotImplementedError, OSError):
        content, said = write_table(table), "parquet: as it was"
        changed_table = table
    known = _known(changed_table, world)
    return Mutant(f"{name}.parquet", content, said, rows=None if known is None else changed_table.num_rows, known=known)


def _options(rng: Generator) -> dict[str, Any]:
    """How a program may write it."""
    options: dict[str, Any] = {
        "compression": choose(rng, ["snappy", "snappy", "none", "gzip", "zstd", "brotli", "lz4"]),
        "use_dictionary": bool(rng.integers(2)),
        "data_page_version": choose(rng, ["1.0", "2.0"]),
        "write_statistics": bool(rng.integers(2)),
        "version": choose(rng, ["1.0", "2.4", "2.6"]),
        "write_page_index": bool(rng.integers(2)),
        "store_schema": bool(rng.integers(2)),
        "write_page_checksum": bool(rng.integers(2)),
    }
    if rng.random() < 0.3:
        options["row_group_size"] = int(rng.integers(1, 8))
    if rng.random() < 0.3:
        options["data_page_size"] = 16
    return options


def _footer_of(content: bytes) -> tuple[int, Node]:
    size = int.from_bytes(content[-_TAIL:-4], "little")
    start = len(content) - _TAIL - size
    return start, read_struct(content[start:-_TAIL])[0]


def _footer(rng: Generator, content: bytes) -> tuple[bytes, str]:
    start, tree = _footer_of(content)
    paths = [change(rng, tree) for _ in range(int(rng.choice([1, 1, 1, 2, 4])))]
    footer = write_node(tree)
    return content[:start] + footer + len(footer).to_bytes(4, "little") + b"PAR1", f"footer {' '.join(paths)}"


def _page(rng: Generator, content: bytes) -> tuple[bytes, str]:
    """A page's header is changed, in its place where it stays as long, else by moving all that follows."""
    _, tree = _footer_of(content)
    places = []
    for group in field_of(tree, 4) or []:
        for chunk in field_of(group, 1) or []:
            meta = Node(12, field_of(chunk, 3) or [])
            places += [place for field in (9, 11) if (place := field_of(meta, field))]
    if not places:
        return _footer(rng, content)
    at = int(choose(rng, places))
    try:
        header, size = read_struct(content[at:])
    except (IndexError, ValueError):
        return _footer(rng, content)
    said = change(rng, header)
    written = write_node(header)
    if rng.random() < 0.3:  # bytes of the page, behind an honest header
        body = at + size + int(rng.integers(0, 12))
        return content[:body] + rng.bytes(int(rng.integers(1, 9))) + content[body + 8 :], "page's first bytes"
    written = written if rng.random() < 0.5 else written[:size].ljust(size, b"\0")
    return content[:at] + written + content[at + size :], f"page header {said}"


def _forged(rng: Generator, content: bytes) -> tuple[bytes, str]:
    """Scores that statistics, the footer and the page's header know nothing of."""
    table = pq.read_table(BytesIO(content))
    if table.column_names.count("score") != 1:
        return _anywhere(rng, content)
    plain = write_table(table, compression="none", use_dictionary=False)
    scores = table.column("score").to_pylist()
    for score in scores[: int(rng.integers(1, len(scores)))]:
        other = float(choose(rng, [-0.5, 7.0, -1e159, float("nan"), float("inf"), 1.00001, 1.1, -0.0]))
        plain = plain.replace(struct.pack("<d", score), struct.pack("<d", other), 1 if rng.random() < 0.5 else -1)
    return plain, "scores forged"


def _bomb(rng: Generator, rows: Sequence[Row]) -> tuple[bytes, str]:
    """A small file that stands for gigabytes: one long value in a dictionary, as itself or in an object or a list."""
    table = as_table(rows)
    name = choose(rng, [*table.column_names, "extra"])
    many, long = 3_000, "x" * int(choose(rng, [1_000, 100_000, 1_000_000]))
    table = pa.concat_tables([table.slice(0, 1)] * many)
    value = choose(rng, [long, {"a": long}, [long], {"a": {"b": long}}, [long] * 3])
    kind = pa.array([value]).type
    indices = pa.array(np.zeros(many, np.int32))
    column = pa.array([value], kind).take(indices) if len(long) < 10_000 else _repeated(value, many)
    table = (
        table.append_column(name, column)
        if name == "extra"
        else table.set_column(table.column_names.index(name), name, column)
    )
    return write_table(table, compression="zstd"), f"bomb of {name}, {len(long)} letters as {kind}"


def _repeated(value: Any, many: int) -> pa.Array:
    """The value many times, held once."""
    if isinstance(value, str):
        return pa.DictionaryArray.from_arrays(pa.array(np.zeros(many, np.int32)), pa.array([value]))
    inner = value["a"] if isinstance(value, dict) else value[0]
    if isinstance(inner, dict):
        inner = inner["b"]
    column = _repeated(inner, many)
    if isinstance(value, dict):
        return pa.StructArray.from_arrays([column], ["a"])
    return pa.ListArray.from_arrays(pa.array(np.arange(many + 1, dtype=np.int32)), column)


def _anywhere(rng: Generator, content: bytes) -> tuple[bytes, str]:
    how = choose(rng, ANY_BYTES)
    return how(rng, content), how.__name__


def _frame(rng: Generator, content: bytes) -> tuple[bytes, str]:
    """Magic words and the footer's length."""
    size = int.from_bytes(content[-_TAIL:-4], "little")
    lengths = [0, 1, size - 1, size + 1, len(content), 2**31, 2**32 - 1, size // 2]
    found: tuple[bytes, str] = choose(rng, [
        (content[:-4] + b"PARE", "encrypted footer"), (b"PARE" + content[4:-4] + b"PARE", "encrypted"),
        (content[:-_TAIL] + int(choose(rng, lengths)).to_bytes(4, "little") + b"PAR1", "footer's length"),
        (b"PAR1", "magic alone"), (b"PAR1PAR1", "magic twice"), (b"PAR1" + bytes(4) + b"PAR1", "no footer"),
        (content + content, "twice"), (content + b"\n", "with a line end"), (b"ORC" + content, "ORC"),
        (b"ARROW1\0\0" + content, "Arrow"),
    ])  # fmt: skip
    return found


def _of_odd_types(rng: Generator, table: pa.Table) -> tuple[pa.Table, str]:
    """One column in another type, twice, under another name, or none at all."""
    at = int(rng.integers(table.num_columns))
    name, column = table.column_names[at], table.column(at)
    kind = int(rng.integers(10))
    if kind < 6:
        type_ = choose(rng, [
            pa.float32(), pa.float16(), pa.int8(), pa.uint64(), pa.bool_(), pa.string(), pa.large_string(), pa.binary(),
            pa.dictionary(pa.int32(), pa.string()), pa.decimal128(20, 6), pa.decimal256(50, 6), pa.timestamp("ns"),
            pa.timestamp("s"),
            pa.timestamp("ms", "Europe/Berlin"), pa.date32(), pa.date64(), pa.int64(), pa.time64("us"), pa.duration("s"),
            pa.null(),
            pa.string_view(), pa.float64(), pa.timestamp("us", "+14:00"), pa.decimal128(38, 37),
        ])  # fmt: skip
        try:
            changed = column.cast(type_, safe=False)
        except (pa.ArrowException, NotImplementedError):
            changed = pa.nulls(table.num_rows, type_ if not pa.types.is_dictionary(type_) else pa.string())
        return table.set_column(at, name, changed), f"parquet: {name} as {type_}"
    if kind == 6:
        nested = choose(rng, [
            lambda value: [value], lambda value: {"a": value}, lambda value: [[value, None]],
            lambda value: [] if value else None,
            lambda value: {"a": {"b": [value] * 3}},
        ])  # fmt: skip
        return table.set_column(
            at, name, pa.array([nested(value) for value in column.to_pylist()])
        ), f"parquet: {name} nested"
    if kind == 7:
        other = choose(
            rng,
            [
                table.column_names[0],
                name.upper(),
                "",
                "a.b",
                "file_row_number",
                "filename",
                "_path",
                "x" * 10_000,
                "ü",
                'a"b',
                "a\nb",
                "\0",
                "_row",
                "_file",
            ],
        )
        return table.append_column(other, column), f"parquet: {name} again as {other[:20]!r}"
    if kind == 8:
        chosen = (
            table.select([each for each in table.column_names if each != name])
            if rng.random() < 0.5
            else table.select([])
        )
        return chosen, f"parquet: without {name}"
    size = int(choose(rng, [0, 1, 3_000]))
    wide = table.slice(0, 0) if size == 0 else table
    for index in range(size if size < 3_000 else 300):
        wide = wide.append_column(
            f"extra{index}", pa.nulls(wide.num_rows, choose(rng, [pa.null(), pa.int32(), pa.list_(pa.string())]))
        )
    return wide, f"parquet: {size} more columns"


def _of_odd_values(rng: Generator, rows: Sequence[Row], table: pa.Table) -> tuple[pa.Table, str]:
    """Values in a column, of its own type or as text."""
    name = choose(rng, table.column_names)
    at = table.column_names.index(name)
    column = table.column(at)
    held = column.to_pylist()
    odd: Sequence[Any]
    type_: pa.DataType = column.type
    if rng.random() < 0.35:
        odd, type_ = [*ODD.get(name, OTHERS), None], pa.string()
        held = [value.isoformat() if isinstance(value, datetime) else str(value) for value in held]
    elif pa.types.is_floating(type_):
        odd = [
            float("nan"),
            float("inf"),
            -float("inf"),
            -0.0,
            5e-324,
            1.0000001,
            1.00001,
            1.0001,
            -1e-7,
            1e308,
            2.0,
            0.0,
            1.0,
            None,
            75.0,
        ]
    elif pa.types.is_integer(type_):
        odd = [-(2**63), 2**63 - 1, 0, -1, 2, 7, 10**12, 10**12 + 1, None]
    elif pa.types.is_timestamp(type_):
        type_ = pa.timestamp(choose(rng, ["us", "ns", "ms", "s"]))
        held = pa.array(held, pa.timestamp("us")).cast(type_).cast(pa.int64()).to_pylist()
        odd = [0, -1, 2**63 - 1, -(2**63), -(2**63) + 1, 253402300800000000, 10**9, 10**18, None]
    elif name == "logits":
        odd = [
            [],
            [1.0],
            [float("nan")] * 3,
            [1e39, 0.0, 0.0],
            [None, 1.0, 2.0],
            None,
            [0.1, 0.2, 0.7],
            [1e308] * 3,
            [0.0] * 1000,
        ]
    else:
        odd = [*ODD.get(name, OTHERS), None] if pa.types.is_string(type_) else [None]
    held = [choose(rng, odd) if rng.random() < 0.4 else value for value in held]
    if pa.types.is_timestamp(type_):
        column = pa.array(held, pa.int64()).cast(type_)
    else:
        column = pa.array([_decoded(value) for value in held] if pa.types.is_string(type_) else held, type_)
    return table.set_column(at, name, column), f"parquet: values of {name} as {type_}"


def _decoded(value: Any) -> Any:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _known(table: pa.Table, world: World) -> Known | None:
    """As pyarrow reads it; None where names or types leave it open which column is meant."""
    names = table.column_names
    own = {
        name: column for name, column in {**world.columns, "raw_score": "raw_score"}.items() if names.count(column) == 1
    }
    if world.name != "raw":
        own.pop("raw_score", None)
    if (
        world.name == "mapped"
        or not own.keys() >= world.columns.keys()
        or len({name.casefold() for name in names}) < len(names)
    ):
        return None
    columns = {name: table.column(column) for name, column in own.items()}
    if not pa.types.is_string(columns["sample_id"].type) or any(
        pa.types.is_float16(each.type) for each in columns.values()
    ):
        return None
    held = {name: _listed(name, column) for name, column in columns.items()}
    known: Known = {}
    for index, sample_id in enumerate(held["sample_id"]):
        note(known, world, sample_id, {name: [values[index]] for name, values in held.items()})
    return known


def _listed(name: str, column: pa.ChunkedArray) -> list[Any]:
    """As Python values; times that Python has none for, and those of other units and zones, as None."""
    if name == "observed_at" and column.type != pa.timestamp("us"):
        return [None] * len(column) if not pa.types.is_string(column.type) else list(column.to_pylist())
    try:
        return list(column.to_pylist())
    except (ValueError, OverflowError, pa.ArrowException):
        return [None] * len(column)
