"""What parts a batch of small files leaves what they would leave one by one: damage, refusals, words, folds, files again."""

import gzip
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from monitor.sources import pull as pull_module
from monitor.sources.batch import Batch
from tests.sources.ingest.test_small_inputs import LABELS
from tests.worlds.arrivals import PUSHED, push
from tests.worlds.fixtures import MakeWorld
from tests.worlds.store import HOUR, NOW, Row, World, a_row
from tests.worlds.together import FILES, KINDS, compare, some_rows, stamp, vector, write

MULTICLASS = 'task = "multiclass"\n'


def damage(path: Path, how: str, rng: np.random.Generator) -> Path:
    data = path.read_bytes()
    if how == "flipped":
        place = int(rng.integers(4, len(data) - 8))
        path.write_bytes(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :])
    elif how == "cut":
        path.write_bytes(data[: int(rng.integers(5, len(data) - 1))])
    elif how == "zeroed":
        path.write_bytes(data[:4] + bytes(len(data) // 3) + data[4 + len(data) // 3 :])
    else:
        packed = gzip.compress(data)
        kept = int(rng.integers(2, len(packed) - 1))
        path.unlink()
        path = path.with_name(f"{path.name}.gz")
        if how == "cut-gz":
            path.write_bytes(packed[:kept])
        else:
            path.write_bytes(packed[:kept] + bytes([packed[kept] ^ 0xFF]) + packed[kept + 1 :])
    return path


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("how", ["flipped", "cut", "zeroed", "cut-gz", "flipped-gz"])
def test_damaged_files_are_told_and_all_others_are_taken(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch, how: str, seed: int
) -> None:
    def files(world: World, number: int) -> None:
        rng = np.random.default_rng([seed, number, len(how)])
        if number:
            return
        bad = {[0, FILES // 2, FILES - 1][seed], *([4] if rng.random() < 0.5 else [])}
        for place in range(FILES):
            kind = str(rng.choice(KINDS[:2] if how.endswith("gz") else KINDS))
            path = write(world.base / "in", place, kind, some_rows(rng))
            if place in bad:
                path = damage(path, how, rng)
            stamp(path, place)

    _, found = compare(make_world, monkeypatch, files, source=LABELS)
    assert any(found["problems"]) or found["quarantine"] or found["aside"]


@pytest.mark.parametrize("place", [0, 3, FILES - 1])
@pytest.mark.parametrize(
    "error", [duckdb.OutOfMemoryException("no more"), ZeroDivisionError("x")], ids=lambda error: type(error).__name__
)
def test_what_taking_one_file_raises_stops_no_other(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch, error: Exception, place: int
) -> None:
    real = pull_module.ingest_batch  # type: ignore[attr-defined]  # the name that is patched

    def ingest(*arguments: Any, **named: Any) -> Any:
        batch = next(each for each in arguments if isinstance(each, Batch))
        if any(item.endswith(f"/{place:03}.jsonl") for item in batch.cursor):
            raise error
        return real(*arguments, **named)

    monkeypatch.setattr("monitor.sources.pull.ingest_batch", ingest)

    def files(world: World, number: int) -> None:
        rng = np.random.default_rng([place, number])
        if not number:
            for each in range(FILES):
                write(world.base / "in", each, "jsonl", some_rows(rng))

    _, found = compare(make_world, monkeypatch, files, source=LABELS)
    assert found["aside"]


def refused_kinds(kind: str, rng: np.random.Generator) -> list[Row]:
    rows = some_rows(rng, 4)
    for row in rows:
        if kind == "percentages":
            row["score"] = float(rng.choice([0.5, 25.0, 75.0, 99.0]))
        elif kind == "counted from 1":
            row["outcome"] = str(rng.choice(["1", "2"]))
        elif kind == "names":
            row["outcome"] = str(rng.choice(["cat", "dog"]))
        elif kind == "signs":
            row["outcome"] = int(rng.choice([-1, -1, 1]))
        elif kind == "zones":
            row["observed_at"] += " CST"
    return rows


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("kind", ["percentages", "counted from 1", "names", "signs", "zones"])
@pytest.mark.parametrize("pushed", [False, True])
def test_a_file_refused_in_the_middle_is_refused_alone(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch, kind: str, seed: int, *, pushed: bool
) -> None:
    def files(world: World, number: int) -> None:
        rng = np.random.default_rng([seed, number, len(kind)])
        bad = set(rng.choice(FILES, 3, replace=False).tolist())
        fine = "zero" if rng.random() < 0.5 else "one"
        for place in range(FILES):
            rows = refused_kinds(kind, rng) if place in bad else some_rows(rng)
            if kind == "signs" and place not in bad and fine == "one":
                rows = [{**row, "outcome": [1, None][int(rng.integers(2))]} for row in rows]
            if pushed:
                push(world, *rows, now=NOW - HOUR + timedelta(seconds=100 * number + place))
            else:
                write(world.base / "in", 100 * number + place, str(rng.choice(KINDS[:2])), rows)

    _, found = compare(make_world, monkeypatch, files, source=PUSHED if pushed else LABELS)
    assert any(found["problems"]) or found["quarantine"], "what was refused is told"


@pytest.mark.parametrize("seed", range(3))
def test_scores_of_the_predicted_class_are_found_at_the_same_file(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    def files(world: World, number: int) -> None:
        rng = np.random.default_rng([seed, number])
        for place in range(FILES):
            rows = [
                {**row, "score": max(row["score"], 0.5), "predicted_class": str(rng.choice(["cat", "dog"]))}
                for row in some_rows(rng, 8)
            ]
            if seed == 2 and place == 3:
                rows[0]["score"] = 0.25
            write(world.base / "in", 100 * number + place, str(rng.choice(KINDS)), rows)

    compare(make_world, monkeypatch, files, source=LABELS, extra='positive = "cat"\n')


ZONE = (
    LABELS.replace('path = "in/*"\n', 'path = "in/*"\ntime_zone = "Europe/Berlin"\n') + 'time_zone = "Europe/Berlin"\n'
)


@pytest.mark.parametrize("seed", range(4))
def test_times_that_clocks_showed_twice_are_read_alike(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    change = datetime(2025, 10, 26, 0, tzinfo=UTC)

    def files(world: World, number: int) -> None:
        rng = np.random.default_rng([seed, number])
        for place in range(FILES):
            kind = str(rng.choice(KINDS[:2]))
            twice = rng.random() < 0.4
            rows: list[Row] = []
            for _ in range(3):
                index = int(rng.integers(0, 30))
                local = datetime(2025, 10, 26, 2 if twice else 4 + index % 2, index, tzinfo=UTC)
                rows.append(a_row(f"s{index}", observed_at=local.isoformat(" ")[:19], labelled_at="2025-10-26 06:00:00",
                                  outcome=int(rng.integers(0, 2))))  # fmt: skip
            if rng.random() < 0.3:
                rows = [
                    {"sample_id": row["sample_id"], "outcome": row["outcome"], "labelled_at": row["observed_at"]}
                    for row in rows
                ]
                write(world.base / "labels", 100 * number + place, kind, rows)
            else:
                write(world.base / "in", 100 * number + place, kind, rows)

    compare(make_world, monkeypatch, files, source=ZONE, now=change + 12 * HOUR)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("word", ["None", "nan"])
def test_a_word_for_no_label_that_is_predicted_later_is_a_class_from_there(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch, word: str, seed: int
) -> None:
    def files(world: World, number: int) -> None:
        rng = np.random.default_rng([seed, number])
        first = int(rng.integers(2, FILES - 1))
        for place in range(FILES):
            said = ["cat", "dog", word] if (place >= first and seed) or number else ["cat", "dog"]
            rows = [
                {
                    **row,
                    "outcome": None,
                    "label": str(rng.choice(["cat", word])),
                    "predicted_class": str(rng.choice(said)),
                }
                for row in some_rows(rng)
            ]
            if rng.random() < 0.3:
                rows = [{name: row[name] for name in ("sample_id", "label", "labelled_at")} for row in rows]
                write(world.base / "labels", 100 * number + place, str(rng.choice(KINDS)), rows)
            else:
                write(world.base / "in", 100 * number + place, str(rng.choice(KINDS)), rows)

    compare(make_world, monkeypatch, files, source=LABELS, extra=MULTICLASS)


@pytest.mark.parametrize("seed", range(5))
def test_logits_that_turn_out_otherwise_in_a_later_file(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    def files(world: World, number: int) -> None:
        rng = np.random.default_rng([seed, number])
        kinds = [str(kind) for kind in rng.choice(["logits", "probabilities", "percent"], 2, replace=False)]
        turn = int(rng.integers(1, FILES))
        for place in range(FILES):
            chosen = kinds[place >= turn]
            rows = [
                {**row, "logits": vector(chosen, rng), "outcome": None, "label": "a", "predicted_class": "a"}
                for row in some_rows(rng, int(rng.integers(1, 8)))
            ]
            write(world.base / "in", 100 * number + place, "jsonl", rows)

    compare(make_world, monkeypatch, files, source=LABELS, extra=f'{MULTICLASS}classes = ["a", "b", "c"]\n')


@pytest.mark.parametrize("seed", range(3))
def test_raw_scores(make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    def files(world: World, number: int) -> None:
        rng = np.random.default_rng([seed, number])
        for place in range(FILES):
            rows = some_rows(rng)
            if place % 2:
                rows = [{**row, "raw_score": 0.5, "calibrator": f"k{place % 3}"} for row in rows]
            write(world.base / "in", 100 * number + place, str(rng.choice(KINDS)), rows)

    own = '[model.recalibration]\napply = "monitor"\n' if seed == 1 else ""
    compare(make_world, monkeypatch, files, source=f"{own}{LABELS}")


@pytest.mark.parametrize("seed", range(4))
def test_files_written_anew_among_new_ones_and_copies(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    def files(world: World, number: int) -> None:
        rng = np.random.default_rng([seed, number])
        for place in range(FILES):
            again = number and rng.random() < 0.4
            kind = KINDS[place % 3]
            rows = some_rows(rng)
            path = write(world.base / "in", place if again else 100 * number + place, kind, rows)
            stamp(path, 100 * number + place)
            if rng.random() < 0.3:
                copy = path.with_name(f"copy-{path.name}")
                copy.write_bytes(path.read_bytes())
                stamp(copy, 100 * number + place)

    compare(make_world, monkeypatch, files, source=LABELS, pulls=3)


@pytest.mark.parametrize("seed", range(4))
def test_files_of_odd_forms(make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    def files(world: World, number: int) -> None:
        rng = np.random.default_rng([seed, number])
        for place in range(2 * FILES):
            folder = world.base / "in" / f"region=r{rng.integers(0, 2)}"
            folder.mkdir(exist_ok=True)
            kind = str(rng.choice(KINDS))
            rows = some_rows(rng)
            path = write(folder, 100 * number + place, kind, rows)
            if kind == "parquet":
                continue
            text = path.read_text("utf-8")
            form = rng.integers(0, 7)
            if form == 0:
                text = "\ufeff" + text
            elif form == 1:
                text = text.rstrip("\n")
            elif form == 2:
                text = text.replace("\n", "\r\n")
            elif form == 3 and kind == "csv":
                text = (
                    "\n".join(line for line in text.splitlines() if "sample_id" in line or line.startswith("#")) + "\n"
                )
            elif form == 4:
                text = ""
            elif form == 5:
                text = text.replace("c1", '"c\n1"' if kind == "csv" else "c\\n1")
            path.write_bytes(text.encode("utf-8"))
            stamp(path, 100 * number + place)

    compare(make_world, monkeypatch, files, source='[[model.source]]\npath = "in/**/*"\n', slices=("camera", "region"))


def but_for_places(found: dict[str, Any]) -> dict[str, Any]:
    """What is left, without which slice values and versions have a place of their own: the sums of all of them."""
    sums: dict[tuple[Any, Any], Any] = {}
    for *_, bucket, bin_, n, unlabelled, _, _, _ in found["cells"]:
        sums[bucket, bin_] = sums.get((bucket, bin_), 0) + np.array([n, unlabelled])
    return {
        **found,
        "samples": [row[:7] + row[9:] for row in found["samples"]],
        "cells": sorted((*key, *value.tolist()) for key, value in sums.items()),
        "repeated": [row[:2] for row in found["repeated"]],
        "values": Counter(dimension for dimension, _ in found["values"]),
        "streams": len({version for version, *_ in found["streams"]}),
        "folded": [row[:3] for row in found["folded"]],
        "problems": [[each for each in pull if each[1] != "values_folded"] for pull in found["problems"]],
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_beyond_the_limits_of_values_only_which_ones_keep_a_place_may_differ(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    def files(world: World, number: int) -> None:
        rng = np.random.default_rng([seed, number])
        for place in range(FILES):
            rows = some_rows(rng)
            for row in rows:
                index = int(row["sample_id"][1:])
                row.update(camera=f"c{index % 9}", version=f"v{index % 7}")
            write(world.base / "in", 100 * number + place, str(rng.choice(KINDS)), rows)

    limits = "max_slice_values = 4\nmax_versions = 3\n"
    _, found = compare(make_world, monkeypatch, files, seen=but_for_places, source=LABELS, extra=limits)
    assert found["values"] == {"camera": 4}
    assert found["folded"]
