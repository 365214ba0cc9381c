"""Pushes taken together leave what they would leave one after the other: rows, quarantine, and each its own receipt."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from monitor.model.problems import Outcome
from monitor.sources import pull as pull_module
from monitor.sources.inbox import Inbox, WaitingPush
from monitor.sources.waitlist import Waitlist
from monitor.store.connection import quote_text
from tests.worlds.api import World, api_world

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATE = '[[model.source]]\nname = "late"\nkind = "http"\nholds = "labels"'
Pushes = list[tuple[str, str, list[dict[str, Any] | str]]]  # source, ending, rows


@contextmanager
def counting(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The numbers of files of the batches that are ingested."""
    sizes: list[int] = []
    ingest = pull_module.ingest_batch  # type: ignore[attr-defined]  # the name that is patched

    def counted(*arguments: Any, **named: Any) -> Any:
        found = ingest(*arguments, **named)
        sizes.append(found.files)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(pull_module, "ingest_batch", counted)
        yield sizes


def leave(world: World, pushes: Pushes, now: datetime = NOW) -> None:
    for number, (source, ending, held) in enumerate(pushes):
        box = Inbox.of(world.config.state_dir, "m", source)
        written = box.temporary_path(f"{number}.jsonl")
        written.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in held))
        if ending == "parquet":
            with duckdb.connect() as connection:
                target = quote_text(str(written.with_suffix(".parquet")))
                connection.execute(f"COPY (FROM read_json({quote_text(str(written))}, format = 'nd')) TO {target}")
            written = written.with_suffix(".parquet")
        box.add_push(written, f"{number:032x}", "d" * 32, now)


def row(number: int, **changed: Any) -> dict[str, Any]:
    return {
        "sample_id": f"s{number}", "observed_at": f"2026-03-01T06:{number % 60:02d}:00Z", "score": 0.25,
        "outcome": number % 2, "camera": f"c{number % 3}", **changed,
    }  # fmt: skip


def receipts(world: World) -> list[dict[str, Any]]:
    found = []
    for source in ("pushed", "late"):
        box = Inbox.of(world.config.state_dir, "m", source)
        for path in sorted((box.directory / "receipts").glob("*.json")):
            receipt = Waitlist(box).find_receipt(path.stem)
            assert receipt is not None
            found.append({**asdict(receipt), "source": source})
    return found


def left(world: World) -> list[Any]:
    ask = world.connection.execute
    return [
        ask("SELECT sample_id, observed_at, score, positives, label IS NULL FROM samples ORDER BY ALL").fetchall(),
        ask(
            "SELECT bucket, bin, sum(n), sum(unlabelled), sum(outcome) FROM cells GROUP BY ALL ORDER BY ALL"
        ).fetchall(),
        ask("SELECT file, row, reason FROM quarantine ORDER BY ALL").fetchall(),
        ask("SELECT sample_id, row FROM parked_labels ORDER BY ALL").fetchall(),
        receipts(world),
    ]


def random_pushes(seed: int) -> Pushes:
    """Some repeat, correct or label rows of others; some rows are bad; kinds change."""
    rng = np.random.default_rng(seed)
    pushes: Pushes = []
    for _ in range(14):
        source = "late" if rng.random() < 0.3 else "pushed"
        ending = "parquet" if rng.random() < 0.3 else "jsonl"
        held: list[dict[str, Any] | str] = []
        for number in rng.integers(0, 60, rng.integers(1, 6)):
            if source == "late":
                held.append(
                    {"sample_id": f"s{number}", "outcome": int(rng.integers(2)), "labelled_at": "2026-03-01T09:00:00Z"}
                )
                continue
            score = [0.25, 0.5, 7.0][rng.choice(3, p=[0.7, 0.2, 0.1])]
            outcome = [0, 1, None][rng.choice(3, p=[0.3, 0.3, 0.4])]
            held.append(row(int(number), score=score, outcome=outcome))
        if ending == "jsonl" and rng.random() < 0.2:
            held.insert(0, "no row")
        pushes.append((source, ending, held))
    return pushes


@pytest.mark.parametrize("seed", range(6))
def test_taken_together_or_one_by_one_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    found = []
    for name, most in (("together", 1_000_000), ("apart", 0)):
        (tmp_path / name).mkdir()
        with api_world(tmp_path / name, extra=LATE) as world, counting(monkeypatch) as sizes:
            leave(world, random_pushes(seed))
            with monkeypatch.context() as patched:
                patched.setattr("monitor.sources.inspect.BATCH_ROWS", most)
                world.tick()
            found.append(left(world))
            assert sum(sizes) == 14
            assert (max(sizes) == 1) == (name == "apart")
    assert found[0] == found[1]


def test_many_small_pushes_are_one_transaction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with api_world(tmp_path) as world, counting(monkeypatch) as sizes:
        leave(world, [("pushed", "jsonl", [row(number), "no row"]) for number in range(40)])
        world.tick()
        assert sizes == [40]
        assert world.connection.execute("SELECT count(*) FROM samples").fetchone() == (40,)
        for receipt in receipts(world):
            assert (receipt["rows"], receipt["new"], receipt["quarantined"]) == (2, 1, {"unreadable_line": 1})
        places = world.connection.execute("SELECT DISTINCT row, file LIKE '%/%' FROM quarantine").fetchall()
        assert places == [(1, False)], "the line within its push, and no directory of this machine"


def test_a_correction_is_taken_after_what_it_corrects_and_the_rest_stays_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with api_world(tmp_path) as world, counting(monkeypatch) as sizes:
        pushes: Pushes = [("pushed", "jsonl", [row(number)]) for number in range(10)]
        pushes[6][2].append(row(2, outcome=1))
        leave(world, pushes)
        world.tick()
        assert sizes == [10], "a source of which little is known yet: in order, within one transaction"
        corrected = [receipt["corrected"] for receipt in receipts(world)]
        assert corrected == [0, 0, 0, 0, 0, 0, 1, 0, 0, 0]


def test_many_corrections_are_taken_in_order_and_counted_where_they_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with api_world(tmp_path) as world, counting(monkeypatch) as sizes:
        pushes: Pushes = []
        for number in range(10):
            pushes += [("pushed", "jsonl", [row(number, outcome=None), row(100 + number)])]
            pushes += [("pushed", "jsonl", [row(number, outcome=1)])]
        pushes += [("pushed", "jsonl", [row(number, score=0.75, outcome=0)]) for number in (4, 5)]
        pushes += [("pushed", "jsonl", [row(3, outcome=0), row(5, outcome=1)])]
        leave(world, pushes)
        world.tick()
        assert sizes == [23]
        found = world.connection.execute("SELECT sample_id, score, positives FROM samples ORDER BY ALL").fetchall()
        of = {sample_id: (score, positives) for sample_id, score, positives in found}
        assert (len(of), of["s2"], of["s4"], of["s3"], of["s5"]) == (20, (0.25, 1), (0.75, 0), (0.25, 0), (0.25, 1))
        assert [receipt["labelled"] for receipt in receipts(world)] == [0, 1] * 10 + [0, 0, 0]


def test_one_damaged_push_among_several_is_refused_alone(tmp_path: Path) -> None:
    with api_world(tmp_path) as world:
        leave(world, [("pushed", "parquet", [row(number)]) for number in range(3)])
        damaged = Inbox.of(world.config.state_dir, "m", "pushed").list_waiting()[1].path
        held = bytearray(damaged.read_bytes())
        held[4:60] = b"\xff" * 56  # its pages; the description at its end stays whole
        damaged.write_bytes(held)
        world.tick()
        assert [receipt["state"] for receipt in receipts(world)] == ["taken", "refused", "taken"]
        assert world.connection.execute("SELECT count(*) FROM samples").fetchone() == (2,)


def test_a_crash_after_the_commit_of_many_counts_none_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with api_world(tmp_path) as world:
        leave(world, [("pushed", "jsonl", [row(number)]) for number in range(5)])
        settle, settled = Inbox.complete_push, list[WaitingPush]()

        def crash(self: Inbox, file: WaitingPush, outcome: Outcome | None, now: datetime) -> None:
            if len(settled) == 2:
                raise KeyboardInterrupt
            settled.append(file)
            settle(self, file, outcome, now)

        with monkeypatch.context() as patched:
            patched.setattr(Inbox, "complete_push", crash)
            with pytest.raises(KeyboardInterrupt):
                world.tick()
        tick = world.tick()
        assert tick.pulled["m"]["pushed"].rows == 0
        assert [receipt["new"] for receipt in receipts(world)] == [1, 1, None, None, None]
        assert {receipt["state"] for receipt in receipts(world)} == {"taken"}
        assert Inbox.of(world.config.state_dir, "m", "pushed").list_waiting() == []
        leave(world, [("pushed", "jsonl", [row(9)])], NOW + timedelta(minutes=1))
        world.tick()
        assert world.connection.execute("SELECT count(*) FROM cursors").fetchone() == (1,), "what is gone is forgotten"
