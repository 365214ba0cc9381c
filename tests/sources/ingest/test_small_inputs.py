"""Many small files are taken in one transaction, and leave what they would leave one by one."""

import gzip
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.sources import pull as pull_module
from monitor.sources.batch import Batch
from monitor.sources.inspect import BATCH_FILES
from tests.worlds.fixtures import MakeWorld
from tests.worlds.store import HOUR, NOW, Row, World, a_row, at, write_parquet

LABELS = '[[model.source]]\npath = "in/*"\n[[model.source]]\nname = "late"\npath = "labels/*"\nholds = "labels"\n'


@contextmanager
def counting(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The numbers of files of the batches that are tried."""
    sizes: list[int] = []
    ingest = pull_module.ingest_batch  # type: ignore[attr-defined]  # the name that is patched

    def counted(*arguments: Any, **named: Any) -> Any:
        sizes.append(next(each.files for each in arguments if isinstance(each, Batch)))
        return ingest(*arguments, **named)

    with monkeypatch.context() as patched:
        patched.setattr(pull_module, "ingest_batch", counted)
        yield sizes


def put(folder: Path, number: int, kind: str, rows: list[Row | str], rng: np.random.Generator) -> None:
    """One file, ``number`` seconds after the first; texts among the rows are lines as they stand."""
    path = folder / f"{number:03}.{kind}"
    good = [row for row in rows if not isinstance(row, str)]
    if kind == "parquet":
        names = dict.fromkeys(name for row in good for name in row)
        write_parquet(path, [{name: row.get(name) for name in names} for row in good])
    elif kind.startswith("jsonl"):
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        path.write_text("\n".join(lines) + "\n", "utf-8")
    else:
        names = dict.fromkeys(str(name) for name in rng.permutation(list({name: 0 for row in good for name in row})))
        delimiter = str(rng.choice([",", ";", "\t"]))
        lines = [delimiter.join(names)]
        for row in rows:
            fields = (
                [row] if isinstance(row, str) else ["" if row.get(name) is None else str(row[name]) for name in names]
            )
            lines.append(delimiter.join(fields))
        above = ["", "# exported"][: int(rng.integers(0, 2))]
        path.write_text("\n".join([*above, *lines]) + "\n", "utf-8")
    if rng.random() < 0.1 and kind != "parquet":
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
        path = path.with_name(f"{path.name}.gz")
    os.utime(path, (NOW.timestamp() - 1000 + number,) * 2)


def random_files(base: Path, seed: int, first: int = 0, count: int = 24) -> None:
    """Files of mixed kinds: bad rows and lines, repeats, corrections, rows again within a second, labels in tables of their
    own, classes under odd names, some without columns that others have."""
    rng = np.random.default_rng([seed, first])
    (base / "labels").mkdir(exist_ok=True)
    for number in range(first, first + count):
        kind = str(rng.choice(["csv", "jsonl", "parquet"]))
        rows: list[Row | str] = []
        if rng.random() < 0.25:
            said = [*(0, 1) * 10, -1]
            rows += [
                {"sample_id": f"s{index}", "outcome": int(rng.choice(said)), "labelled_at": "2026-03-10 11:30:00"}
                for index in rng.integers(0, 80, rng.integers(1, 7))
            ]
            put(base / "labels", number, kind, rows, rng)
            continue
        fine = bool(rng.random() < 0.2)
        is_labelled = bool(rng.random() < 0.6)
        for index in rng.integers(0, 80, rng.integers(1, 9)):
            moment = at("2026-03-10 08:00:00") + timedelta(
                minutes=int(index), milliseconds=5 * int(rng.integers(2)) * fine
            )
            row = a_row(
                f"s{index}", observed_at=str(moment), camera=f"c{index % 3}",
                score=float(rng.choice([0.25, 0.5, 0.75, 7.0, 1.000001], p=[0.4, 0.3, 0.2, 0.07, 0.03])),
                outcome=[0, 1, None][rng.choice(3)],
                labelled_at=f"2026-03-10 1{rng.integers(0, 2)}:00:00",
            )  # fmt: skip
            if not is_labelled:
                del row["outcome"], row["labelled_at"]
            if rng.random() < 0.05:
                row["observed_at"] = "yesterday" if kind != "parquet" else None
            rows.append(row)
        if kind != "parquet" and rng.random() < 0.3:
            rows.insert(int(rng.integers(1, len(rows) + 1)), "no row")
        put(base / "in", number, kind, rows, rng)


def left(world: World, brought: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """All that a pull leaves, without the names of folders, and with files in place of their numbers."""
    ask = world.rows
    named = "(SELECT parse_filename(path) FROM files AS f WHERE f.file_id = {})"
    return {
        "samples": ask(
            "SELECT s.sample_id, s.observed_at, s.labelled_at, s.score, s.positives, s.n, s.label, l.labels, t.version, "
            f"s.predicted_class, {named.format('s.file_id')}, {named.format('s.label_file_id')} FROM samples AS s "
            "JOIN slices AS l USING (slice_id) JOIN streams AS t USING (stream_id) ORDER BY ALL"
        ),
        "cells": ask(
            "SELECT l.labels, t.version, c.bucket, c.bin, sum(c.n), sum(c.unlabelled), round(sum(c.score), 9), "
            "round(sum(c.outcome), 9), round(sum(c.lag), 6) FROM cells AS c JOIN slices AS l USING (slice_id) "
            "JOIN streams AS t USING (stream_id) GROUP BY ALL HAVING sum(c.n) > 0 ORDER BY ALL"
        ),
        "quarantine": ask("SELECT source, parse_filename(file), row, reason, record FROM quarantine ORDER BY ALL"),
        "parked": ask("SELECT source, parse_filename(file), row, sample_id, positives FROM parked_labels ORDER BY ALL"),
        "repeated": ask(f"SELECT {named.format('r.file_id')}, identity, labels FROM repeated_rows AS r ORDER BY ALL"),
        "facts": ask("SELECT source, fact, value FROM source_facts ORDER BY ALL"),
        "words": ask("SELECT word, last_observed_at FROM class_words ORDER BY ALL"),
        "cursor": sorted(Path(item).name for (item,) in ask("SELECT item FROM cursors")),
        "pulls": ask(
            "SELECT source, files, rows, new, labelled, duplicates, corrected, quarantined, changed_predictions, clipped, "
            "ambiguous_times FROM pulls ORDER BY ALL"
        ),
        "notes": ask("SELECT source, reason FROM source_notes ORDER BY ALL"),
        "problems": [
            sorted((source, each.reason, each.message.replace(str(world.base), "")) for each in pulled.problems)
            for pulls in brought for source, pulled in pulls.items()
        ],
    }  # fmt: skip


def both_ways(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch, write: Any, **made: Any
) -> tuple[dict[str, Any], list[int]]:
    """What is left after both pulls of what ``write(base, pull)`` writes, the same together and one by one; and the sizes of
    the batches when together."""
    found, together = [], list[int]()
    for most in (BATCH_FILES, 1):
        world = make_world(folder=f"most-{most}", **made)
        with monkeypatch.context() as patched, counting(monkeypatch) as sizes:
            patched.setattr("monitor.sources.inspect.BATCH_FILES", most)
            if most == 1:
                patched.setattr("monitor.sources.inspect.BATCH_ROWS", 0)
            brought = []
            for number in range(2):
                write(world.base, number)
                brought.append(world.pull(now=NOW + number * HOUR))
        found.append(left(world, brought))
        together = together or sizes
    for name, value in found[1].items():
        assert found[0][name] == value, name
    return found[0], together


@pytest.mark.parametrize("seed", range(8))
def test_together_or_one_by_one_is_the_same(make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    found, sizes = both_ways(
        make_world, monkeypatch, lambda base, number: random_files(base, seed, 100 * number), source=LABELS
    )
    assert found["samples"]
    assert found["quarantine"]
    assert max(sizes) > 5
