"""Pushes as nobody should send them: any of the mutants as bodies, under headers that fit or do not, cut off or too long."""

import json
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO

import pyarrow as pa
from numpy.random import Generator

from .mutant import ANY_BYTES, Mutant
from .parquets import mutate_parquet
from .texts import choose, known_of_lines, mutate_csv, mutate_json_lines
from .worlds import TOKEN, Row, World, as_table

MEDIA = (
    "application/json",
    "application/x-ndjson",
    "application/vnd.apache.parquet",
    "application/vnd.apache.arrow.stream",
)
_ODD_MEDIA = (
    "text/csv", "", "application/json; charset=utf-16", "APPLICATION/JSON", "multipart/form-data; boundary=x", "*/*",
    "application/json,application/json", "a" * 5_000, "\u00e4/\u00f6", "application/x-www-form-urlencoded",
)  # fmt: skip


def mutate_push(rng: Generator, world: World, name: str, rows: Sequence[Row]) -> Mutant:
    """A whole request, as bytes to be sent."""
    kind = int(rng.integers(4))
    told = False
    if kind == 0:
        media, (body, how) = MEDIA[0], _json_body(rng, world, name, rows)
    elif kind == 1:
        media, mutant = MEDIA[1], mutate_json_lines(rng, world, name, rows)
        body, how, told = mutant.content, mutant.how, mutant.known is not None
    elif kind == 2:
        media, mutant = MEDIA[2], mutate_parquet(rng, world, name, rows)
        body, how = mutant.content, mutant.how
    else:
        media, (body, how) = MEDIA[3], _arrow_body(rng, rows)
    if rng.random() < 0.1:
        body, how = mutate_csv(rng, world, name, rows).content, "csv as a body"
    if rng.random() < 0.15:
        media = choose(rng, [*MEDIA, *_ODD_MEDIA])
    request, said = _request(rng, media, body)
    known = known_of_lines(body, world) if told and media == MEDIA[1] and not said else None
    return Mutant(name, request, f"push {media[:40]}: {how} {said}", pushed=True, known=known)


def _json_body(rng: Generator, world: World, name: str, rows: Sequence[Row]) -> tuple[bytes, str]:
    lines = mutate_json_lines(rng, world, name, rows)
    if rng.random() < 0.5:
        return b"[" + b",".join(line for line in lines.content.splitlines() if line.strip()) + b"]", lines.how
    how = choose(rng, ANY_BYTES)
    return how(rng, json.dumps(list(rows)).encode()), f"json {how.__name__}"


def _arrow_body(rng: Generator, rows: Sequence[Row]) -> tuple[bytes, str]:
    table = as_table(rows)
    if rng.random() < 0.5:
        at = int(rng.integers(table.num_columns))
        odd = choose(rng, [pa.float16(), pa.binary(), pa.large_string(), pa.string_view(), pa.null(), pa.date32(), pa.int8(),
                           pa.dictionary(pa.int8(), pa.string()), pa.list_(pa.list_(pa.float64())),
                           pa.decimal128(30, 10)])  # fmt: skip
        try:
            column = table.column(at).cast(odd, safe=False)
        except (pa.ArrowException, NotImplementedError):
            column = pa.nulls(table.num_rows, odd if not pa.types.is_dictionary(odd) else pa.string())
        table = table.set_column(at, table.column_names[at], column)
    sink = BytesIO()
    options = pa.ipc.IpcWriteOptions(compression=choose(rng, [None, "zstd", "lz4"]))
    with pa.ipc.new_stream(sink, table.schema, options=options) as stream:
        stream.write_table(table)
    if rng.random() < 0.4:
        return sink.getvalue(), "arrow of odd types"
    how = choose(rng, ANY_BYTES)
    return how(rng, sink.getvalue()), f"arrow {how.__name__}"


_Sent = tuple[Mapping[str, str], bytes, str]


def _request(rng: Generator, media: str, body: bytes) -> tuple[bytes, str]:
    """Head and body; "" where nothing of it is odd."""
    headers = {"Host": "127.0.0.1", "Content-Type": media, "Content-Length": str(len(body)), "Connection": "close",
               "Authorization": f"Bearer {TOKEN}"}  # fmt: skip
    path, said = "/api/v1/models/m/samples", ""
    if rng.random() < 0.35:
        said, changed, sent = choose(rng, _WAYS)(rng, body)
        path = changed.pop("path", path)
        headers = {name: value for name, value in {**headers, **changed}.items() if value != "-"}
        body = sent
    head = f"POST {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"
    return head.encode("utf-8") + body, said


_Way = Callable[[Generator, bytes], tuple[str, dict[str, str], bytes]]


def _too_long(rng: Generator, body: bytes) -> tuple[str, dict[str, str], bytes]:
    length = choose(
        rng,
        [
            str(len(body) + 10),
            "-1",
            "0",
            "1e3",
            "99999999999999999999",
            "+5",
            "",
            "0x10",
            "5, 5",
            str(max(len(body) - 10, 0)),
        ],
    )
    return f"length {length}", {"Content-Length": length}, body


def _in_chunks(rng: Generator, body: bytes) -> tuple[str, dict[str, str], bytes]:
    half = len(body) // 2
    good = b"%x\r\n" % half + body[:half] + b"\r\n" + b"%x\r\n" % (len(body) - half) + body[half:] + b"\r\n0\r\n\r\n"
    sent = choose(
        rng,
        [
            good,
            good[:-7],
            b"zz\r\n" + good,
            b"-5\r\n" + good,
            b"ffffffffffffffff\r\n" + good,
            good + b"x",
            b"0\r\n\r\n",
        ],
    )
    return (
        "chunks",
        {"Transfer-Encoding": choose(rng, ["chunked", "chunked", "gzip, chunked", "identity"]), "Content-Length": "-"},
        sent,
    )


def _under_a_key(rng: Generator, body: bytes) -> tuple[str, dict[str, str], bytes]:
    key = choose(rng, ["same", "", "with space", "x" * 500, "../../x", "a/b\\c", "ü", "\0", "%2e%2e"])
    return f"key {key[:10]!r}", {"Idempotency-Key": key}, body


def _packed(rng: Generator, body: bytes) -> tuple[str, dict[str, str], bytes]:
    encoding = choose(rng, ["gzip", "br", "identity", "identity, gzip", "zstd", ""])
    return f"encoding {encoding}", {"Content-Encoding": encoding}, body


def _elsewhere(rng: Generator, body: bytes) -> tuple[str, dict[str, str], bytes]:
    path = choose(rng, ["/api/v1/models/other/samples", "/api/v1/models/m/samples?source=none", "/api/v1/models/../m/samples",
                        "/api/v1/models/m%00/samples", "/api/v1/models/m/samples?source=pushed&source=x",
                        "/api/v1/models/%ff/samples",
                        "/api/v1/models/" + "a" * 3_000 + "/samples", "/api/v1/models//samples",
                        "/api/v1/models/m/samples?source=samples"])  # fmt: skip
    return "elsewhere", {"path": path}, body


def _cut(rng: Generator, body: bytes) -> tuple[str, dict[str, str], bytes]:
    return "cut off", {}, body[: int(rng.integers(len(body) + 1))]


def _of_others(rng: Generator, body: bytes) -> tuple[str, dict[str, str], bytes]:
    return (
        "origin",
        choose(
            rng,
            [
                {"Origin": "http://evil"},
                {"Host": "evil"},
                {"Authorization": "Bearer x"},
                {"Expect": "100-continue"},
                {"X-" + "y" * 70_000: "1"},
            ],
        ),
        body,
    )


_WAYS: tuple[_Way, ...] = (_too_long, _in_chunks, _under_a_key, _packed, _elsewhere, _cut, _of_others)
