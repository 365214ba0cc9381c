"""Bodies that grow when they are unpacked, and many at once: refused before they take memory."""

import io
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from fastapi.testclient import TestClient

from monitor.publish.web.api import push as pushing
from monitor.sources.push_body import ARROW, PARQUET, FrameError, unpacked_size
from monitor.store.connection import quote_text
from tests.worlds.api import World, api_world

SAMPLES = "/api/v1/models/m/samples"
MEGABYTE = 1 << 20


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with api_world(tmp_path) as held:
        yield held


@pytest.fixture
def writer(world: World) -> TestClient:
    return world.client("write")


def arrow() -> Any:
    return pytest.importorskip("pyarrow", reason="NOT TESTED: Arrow bodies need pyarrow (pip install pyarrow)")


def stream(table: Any, codec: str | None) -> bytes:
    sink = io.BytesIO()
    with arrow().ipc.new_stream(sink, table.schema, options=arrow().ipc.IpcWriteOptions(compression=codec)) as out:
        out.write_table(table)
    return sink.getvalue()


def rows(count: int, **columns: Any) -> Any:
    held = {
        "sample_id": [f"s{number}" for number in range(count)],
        "observed_at": ["2026-03-01T06:00:00Z"] * count,
        "score": [0.5] * count,
        **columns,
    }
    return arrow().table(held)


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_a_compressed_arrow_bomb_is_refused_before_it_is_unpacked(world: World, writer: TestClient, codec: str) -> None:
    body = stream(rows(1, note=[b"\0" * (300 * MEGABYTE)]), codec)
    assert len(body) < 2 * MEGABYTE
    before = arrow().total_allocated_bytes()
    peak = arrow().default_memory_pool().max_memory()
    answer = writer.post(SAMPLES, content=body, headers={"Content-Type": ARROW})
    assert (answer.status_code, "once unpacked" in answer.json()["detail"]) == (413, True)
    assert arrow().default_memory_pool().max_memory() <= max(peak, before + 16 * MEGABYTE)
    assert list((world.config.state_dir / "inbox").rglob("*.parquet")) == []


@pytest.mark.parametrize("codec", ["zstd", "lz4", None])
def test_compressed_arrow_is_taken_and_its_size_known_beforehand(
    world: World, writer: TestClient, codec: str | None
) -> None:
    table = rows(1000, camera=arrow().array(["c1"] * 1000).dictionary_encode())
    body = stream(table, codec)
    messages = list(arrow().ipc.MessageReader.open_stream(arrow().BufferReader(body)))
    said = sum(unpacked_size(message.metadata, message.body) for message in messages)
    assert table.nbytes * 0.9 < said < table.nbytes * 1.1 + 4096
    assert writer.post(SAMPLES, content=body, headers={"Content-Type": ARROW}).status_code == 202
    world.tick()
    assert world.connection.execute("SELECT count(*) FROM samples").fetchone() == (1000,)


def test_frames_that_point_outside_are_told_from_those_that_do_not() -> None:
    body = stream(rows(50), "zstd")
    message = list(arrow().ipc.MessageReader.open_stream(arrow().BufferReader(body)))[1]
    frame, held = bytes(message.metadata), bytes(message.body)
    refused = 0
    for place in range(len(frame)):
        for value in (0, 0x7F, 0xFF):
            damaged = frame[:place] + bytes([value]) + frame[place + 1 :]
            try:
                assert unpacked_size(damaged, held) >= 0
            except FrameError:
                refused += 1
    assert refused > 50
    with pytest.raises(FrameError):
        unpacked_size(frame[:20], held)


def test_parquet_whose_rows_share_one_long_text_is_refused(writer: TestClient, tmp_path: Path) -> None:
    path = tmp_path / "bomb.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            "COPY (SELECT repeat('a', 100000) AS sample_id, '2026-03-01T06:00:00Z' AS observed_at, 0.5 AS score "
            f"FROM range(20000)) TO {quote_text(str(path))} (FORMAT parquet, COMPRESSION zstd)"
        )
    assert path.stat().st_size < MEGABYTE
    answer = writer.post(SAMPLES, content=path.read_bytes(), headers={"Content-Type": PARQUET})
    assert answer.status_code == 413
    assert answer.json()["detail"].endswith("once unpacked, a push 268,435,456: send it in parts")


def test_json_is_unpacked_row_by_row(writer: TestClient) -> None:
    body = ("[" + ",".join(['{"a": {"b": 1}}'] * 100_000) + "]").encode()
    writer.get("/healthz")
    tracemalloc.start()
    answer = writer.post(SAMPLES, content=body, headers={"Content-Type": "application/json"})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert answer.status_code == 202
    assert peak < 8 * len(body), "all rows as objects would take some thirty times as much"


@pytest.mark.parametrize(
    "text", [' [ {"sample_id" : "a"} ,\n{"sample_id":"b"}\t] \n', '[{"sample_id":"a"},{"sample_id":"b"}]']
)
def test_json_may_be_spaced_as_it_likes(world: World, writer: TestClient, text: str) -> None:
    assert writer.post(SAMPLES, content=text, headers={"Content-Type": "application/json"}).status_code == 202
    (left,) = (world.config.state_dir / "inbox").rglob("*.jsonl")
    assert list(map(json.loads, left.read_text().splitlines())) == [{"sample_id": "a"}, {"sample_id": "b"}]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[{"a":1} {"a":2}]', "is not JSON after row 0"),
        ('[{"a":1},]', "row 1 is not JSON"),
        ('[{"a":1}] x', "is not JSON after row 0"),
        ('[{"a":1}', "is not JSON after row 0"),
        ('{"a":1}\n{"a":2}', "rows of their own go as application/x-ndjson"),
        ('[{"a":' + "9" * 5000 + "}]", "a number has too many digits"),
        ("[]", "not an empty one"),
    ],
)
def test_json_that_is_none_is_told_with_its_row(world: World, writer: TestClient, text: str, told: str) -> None:
    answer = writer.post(SAMPLES, content=text, headers={"Content-Type": "application/json"})
    assert (answer.status_code, told in answer.json()["detail"]) == (422, True)
    assert list((world.config.state_dir / "inbox").rglob("*.*")) == []


def test_a_body_beyond_what_all_may_hold_together_comes_again_later(
    world: World, writer: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"sample_id": "a", "observed_at": "2026-03-01T06:00:00Z", "score": 0.5}
    with monkeypatch.context() as patched:
        patched.setattr(pushing, "BODIES", 0)
        full = writer.post(SAMPLES, json=[row])
        assert (full.status_code, full.headers["retry-after"]) == (429, "1")
    assert writer.post(SAMPLES, json=[row]).status_code == 202


def test_a_column_of_nothing_is_taken_from_arrow(world: World, writer: TestClient) -> None:
    body = stream(rows(3, outcome=[None, None, None]), None)
    assert writer.post(SAMPLES, content=body, headers={"Content-Type": ARROW}).status_code == 202
    world.tick()
    assert world.connection.execute("SELECT count(*), count(positives) FROM samples").fetchone() == (3, 0)
