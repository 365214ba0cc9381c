"""Pushed samples: durable, taken once, in order, whatever crashes; refused with a reason where they cannot be taken."""

import io
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import pytest
from fastapi.testclient import TestClient

from monitor.sources.inbox import Inbox
from monitor.store.connection import quote_text
from tests.worlds.api import World, api_world

SAMPLES = "/api/v1/models/m/samples"
PARQUET, ARROW, LINES = "application/vnd.apache.parquet", "application/vnd.apache.arrow.stream", "application/x-ndjson"


def rows(*numbers: int, **changed: Any) -> list[dict[str, Any]]:
    return [
        {
            "sample_id": f"s{number}", "observed_at": "2026-03-01T06:00:00Z", "labelled_at": "2026-03-01T06:05:00Z",
            "score": 0.25, "outcome": number % 2, "camera": "c1", **changed,
        }
        for number in numbers
    ]  # fmt: skip


def parquet(held: list[dict[str, Any]], path: Path) -> bytes:
    path.write_text("\n".join(map(json.dumps, held)))
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (FROM read_json({quote_text(str(path))}, format = 'nd')) TO {quote_text(f'{path}.pq')} (FORMAT parquet)"
        )
    return Path(f"{path}.pq").read_bytes()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with api_world(tmp_path, server="max_push_megabytes = 1") as held:
        yield held


@pytest.fixture
def writer(world: World) -> TestClient:
    return world.client("write")


def stored(world: World) -> list[tuple[str, int]]:
    return world.connection.execute("SELECT sample_id, positives FROM samples ORDER BY ALL").fetchall()


def inbox(world: World) -> Inbox:
    return Inbox.of(world.config.state_dir, "m", "pushed")


def test_a_push_waits_is_taken_by_the_next_cycle_and_says_so(world: World, writer: TestClient) -> None:
    answer = writer.post(SAMPLES, json=rows(1, 2, 3))
    assert answer.status_code == 202
    waiting = answer.json()
    assert (waiting["state"], waiting["rows"], waiting["settled_at"]) == ("waiting", None, None)
    assert writer.get(f"{SAMPLES}/{waiting['id']}").json() == waiting
    world.tick()
    taken = writer.get(f"{SAMPLES}/{waiting['id']}").json()
    counts = {"rows": 3, "new": 3, "labelled": 0, "duplicates": 0, "corrected": 0, "quarantined": {}, "problem": None}
    assert taken == {**waiting, **counts, "state": "taken", "settled_at": "2026-03-02T00:01:00Z"}
    assert stored(world) == [("s1", 1), ("s2", 0), ("s3", 1)]
    assert inbox(world).list_waiting() == []


def test_the_same_body_again_is_the_same_push_before_and_after_it_was_taken(world: World, writer: TestClient) -> None:
    first = writer.post(SAMPLES, json=rows(1))
    again = writer.post(SAMPLES, json=rows(1))
    assert (again.status_code, again.json()) == (200, first.json())
    world.tick()
    later = writer.post(SAMPLES, json=rows(1))
    assert (later.status_code, later.json()["state"], later.json()["new"]) == (200, "taken", 1)
    world.tick()
    assert stored(world) == [("s1", 1)]


def test_a_key_names_a_push_and_another_body_under_it_is_refused(world: World, writer: TestClient) -> None:
    key = {"Idempotency-Key": "line-4/2026-03-01T06"}
    first = writer.post(SAMPLES, json=rows(1), headers=key)
    assert writer.post(SAMPLES, json=rows(1), headers=key).json()["id"] == first.json()["id"]
    assert writer.post(SAMPLES, json=rows(2), headers=key).status_code == 409
    other = writer.post(SAMPLES, json=rows(1), headers={"Idempotency-Key": "another"})
    assert other.status_code == 202
    assert writer.post(SAMPLES, json=rows(1), headers={"Idempotency-Key": "with space"}).status_code == 422
    world.tick()
    assert stored(world) == [("s1", 1)]
    receipt = writer.get(f"{SAMPLES}/{other.json()['id']}").json()
    assert (receipt["new"], receipt["duplicates"]) == (0, 1)


def test_pushes_are_taken_in_the_order_they_came_so_that_a_correction_stands(world: World, writer: TestClient) -> None:
    writer.post(SAMPLES, json=rows(1, outcome=1))
    writer.post(SAMPLES, json=rows(1, outcome=0))
    world.tick()
    assert stored(world) == [("s1", 0)]


@pytest.mark.parametrize("kind", [LINES, PARQUET, ARROW])
def test_other_bodies_bring_the_same_samples(world: World, writer: TestClient, tmp_path: Path, kind: str) -> None:
    held = rows(1, 2)
    if kind == LINES:
        body = "\n".join(map(json.dumps, held)).encode()
    elif kind == PARQUET:
        body = parquet(held, tmp_path / "rows")
    else:
        body = arrow_stream(held)
    assert writer.post(SAMPLES, content=body, headers={"Content-Type": kind}).status_code == 202
    world.tick()
    assert stored(world) == [("s1", 1), ("s2", 0)]


def arrow_stream(held: list[dict[str, Any]]) -> bytes:
    arrow = pytest.importorskip("pyarrow", reason="NOT TESTED: Arrow bodies need pyarrow (pip install pyarrow)")
    sink = io.BytesIO()
    table = arrow.Table.from_pylist(held)
    with arrow.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue()


def test_bad_rows_are_quarantined_with_their_place_and_stop_nothing_else(world: World, writer: TestClient) -> None:
    held = [*rows(1), *rows(2, score=1.5), *rows(3, score=float("nan")), *rows(4, sample_id=None), *rows(5)]
    body = json.dumps([*held, *rows(6, camera="nul\0byte"), *rows(7, version="half \ud83d")])
    answer = writer.post(SAMPLES, content=body, headers={"Content-Type": "application/json"})
    world.tick()
    receipt = writer.get(f"{SAMPLES}/{answer.json()['id']}").json()
    assert receipt["state"] == "taken"
    assert receipt["rows"] == 7
    listed = writer.get("/api/v1/quarantine", params={"model": "m"}).json()
    places = {row["row"]: row["reason"] for row in listed["newest"]}
    assert {1, 2, 3} <= places.keys()
    assert places[1] == "score_outside_0_1"
    assert receipt["quarantined"] == {count["reason"]: count["rows"] for count in listed["counts"]}
    assert sum(receipt["quarantined"].values()) + receipt["new"] == 7
    assert {"s1", "s5"} <= {name for name, _ in stored(world)}
    assert answer.json()["id"] in listed["newest"][0]["file"]


@pytest.mark.parametrize(
    ("kind", "body", "status", "told"),
    [
        ("application/json", b"[{", 422, "row 0 is not JSON"),
        ("application/json", b'{"sample_id": "a"}', 422, "must be a list of rows"),
        ("application/json", b"[]", 422, "must be a list of rows"),
        ("application/json", b"[{}, 3]", 422, "row 1 is no object"),
        ("application/json", b"[" * 200_000, 422, "nested too deeply"),
        ("application/json", b'[{"a": "\xff"}]', 422, "is not JSON"),
        ("application/json", b"", 422, "the body is empty"),
        ("application/json", b" " * 1_048_577, 413, "a push takes 1 megabytes"),
        (PARQUET, b"PAR1 and then nothing", 422, "cannot be read"),
        ("application/octet-stream", b"x", 415, "Content-Type must be one of"),
    ],
)
def test_a_body_nothing_can_be_taken_of_is_refused_and_leaves_nothing(
    world: World, writer: TestClient, kind: str, body: bytes, status: int, told: str
) -> None:
    answer = writer.post(SAMPLES, content=body, headers={"Content-Type": kind})
    assert answer.status_code == status
    assert told in answer.json()["detail"]
    assert str(world.config.state_dir) not in answer.text
    left = [path for path in (world.config.state_dir / "inbox").rglob("*") if path.is_file()]
    assert left == []


def test_an_arrow_body_that_is_none_is_refused(world: World, writer: TestClient) -> None:
    good = arrow_stream(rows(*range(200)))
    for body in (b"\0" * 64, good[: len(good) // 2], good[:200] + b"\xff" * 64 + good[264:]):
        answer = writer.post(SAMPLES, content=body, headers={"Content-Type": ARROW})
        assert answer.status_code == 422, answer.text
    assert list(inbox(world).directory.iterdir()) == []


def test_without_pyarrow_the_other_bodies_are_named(
    world: World, writer: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr("monitor.sources.push_body.import_module", gone)
    answer = writer.post(SAMPLES, content=b"x", headers={"Content-Type": ARROW})
    assert answer.status_code == 415
    assert "pip install" in answer.json()["detail"]


def test_parquet_without_a_needed_column_is_told_at_once(world: World, writer: TestClient, tmp_path: Path) -> None:
    body = parquet([{"sample_id": "a", "probability": 0.5}], tmp_path / "rows")
    answer = writer.post(SAMPLES, content=body, headers={"Content-Type": PARQUET})
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("has no column observed_at, score; it has ")


def test_a_body_that_does_not_announce_its_size_is_cut_off_too(world: World, writer: TestClient) -> None:
    def parts() -> Iterator[bytes]:
        for _ in range(40):
            yield b" " * 65_536

    answer = writer.post(SAMPLES, content=parts(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


def test_a_packed_body_is_refused(world: World, writer: TestClient) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    assert writer.post(SAMPLES, content=b"\x1f\x8b", headers=headers).status_code == 415


def test_a_full_inbox_asks_to_come_again_until_a_cycle_has_emptied_it(tmp_path: Path) -> None:
    with api_world(tmp_path, server="max_inbox_files = 2", monitor='cycle = "30s"') as world:
        writer = world.client("write")
        for number in (1, 2):
            assert writer.post(SAMPLES, json=rows(number)).status_code == 202
        full = writer.post(SAMPLES, json=rows(3))
        assert (full.status_code, full.headers["retry-after"]) == (429, "30")
        assert writer.post(SAMPLES, json=rows(1)).status_code == 200, "what is known needs no room"
        world.tick()
        assert writer.post(SAMPLES, json=rows(3)).status_code == 202


def test_the_bytes_that_wait_are_bounded_too(tmp_path: Path) -> None:
    with api_world(tmp_path, server="max_inbox_megabytes = 1") as world:
        writer = world.client("write")
        body = json.dumps(rows(1, camera="c" * 600_000))
        kind = {"Content-Type": "application/json"}
        assert writer.post(SAMPLES, content=body, headers=kind).status_code == 202
        assert writer.post(SAMPLES, content=body + " ", headers=kind).status_code == 429


def test_the_same_push_from_several_threads_at_once_is_one(world: World, writer: TestClient) -> None:
    assert (
        writer.get(f"{SAMPLES}/{'0' * 32}").status_code == 404
    )  # the application is put together at its first request
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: writer.post(SAMPLES, json=rows(1, 2)), range(8)))
    assert {answer.json()["id"] for answer in answers} == {answers[0].json()["id"]}
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [202]
    world.tick()
    assert [receipt.name for receipt in (inbox(world).directory / "receipts").iterdir()] == [
        f"{answers[0].json()['id']}.json"
    ]
    assert len(stored(world)) == 2


def test_a_disk_that_is_full_is_told_and_leaves_nothing(
    world: World, writer: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("monitor.sources.inbox.os.fsync", full)
    answer = writer.post(SAMPLES, json=rows(1))
    assert answer.status_code == 507
    assert list(inbox(world).directory.iterdir()) == []


def test_pushes_to_what_is_not_there_are_refused(world: World, writer: TestClient) -> None:
    assert writer.post("/api/v1/models/none/samples", json=rows(1)).status_code == 404
    assert writer.post(f"{SAMPLES}?source=none", json=rows(1)).status_code == 404
    assert writer.get(f"{SAMPLES}/{'0' * 32}").status_code == 404


def test_labels_are_pushed_to_a_source_of_their_own(tmp_path: Path) -> None:
    labels = '[[model.source]]\nname = "late"\nkind = "http"\nholds = "labels"'
    with api_world(tmp_path, extra=labels) as world:
        writer = world.client("write")
        assert "late, pushed" in writer.post(SAMPLES, json=rows(1)).json()["detail"]
        unlabelled = [
            {name: value for name, value in row.items() if name not in ("outcome", "labelled_at")} for row in rows(1)
        ]
        writer.post(f"{SAMPLES}?source=pushed", json=unlabelled)
        world.tick()
        label = {"sample_id": "s1", "outcome": 1, "labelled_at": "2026-03-01T09:00:00Z"}
        late = writer.post(f"{SAMPLES}?source=late", json=[label])
        world.tick()
        assert stored(world) == [("s1", 1)]
        assert writer.get(f"{SAMPLES}/{late.json()['id']}").json()["labelled"] == 1
