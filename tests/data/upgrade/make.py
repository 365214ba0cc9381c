"""Makes the folders beside it, each of one kind of rows, as the release of commit 6c54b97 stored them: run with its code.

    git worktree add OLD 6c54b97 && PYTHONPATH=OLD python tests/data/upgrade/make.py

calwatch.toml and the files are what a person had, stored.sql what the old code left in live.duckdb after two cycles at
2026-03-10 12:00: all tables that hold anything, except readings and the bytes of evidence.
"""

import random
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from monitor.config.settings import load_config
from monitor.engine.cycle import Cycle, build_watched
from monitor.publish.metrics.instruments import Instruments
from monitor.store.connection import open_live

HERE = Path(__file__).parent
NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
KEPT = (
    "models", "streams", "slices", "slice_values", "samples", "cells", "group_cells", "parked_labels", "quarantine",
    "cursors", "pulls", "alerts", "alert_events", "jobs", "calibrators", "serving", "thresholds", "evidence_reach",
    "evidence", "evidence_alarms", "stages",
)  # fmt: skip
Table = tuple[str, list[list[Any]]]
MODEL = '[[model]]\nname = "m"\nslices = ["camera"]\nwindows = ["24h", "7d"]\n'
SOURCE = '[[model.source]]\npath = "*.csv"\n'


def moments(count: int, hours: int = 40, *, fraction: bool = False) -> list[str]:
    step = timedelta(hours=hours) / count
    return [
        (NOW - timedelta(hours=hours + 1) + step * i).strftime("%Y-%m-%d %H:%M:%S") + (".250" if fraction else "")
        for i in range(count)
    ]


def binary(r: random.Random, positive: str = "1", negative: str = "0") -> Table:
    """Calibrated scores of the positive class, with the class that one half decides, and the label."""
    rows = []
    for i, moment in enumerate(moments(60)):
        score = r.random()
        label = positive if r.random() < score else negative
        rows.append([f"s{i}", moment, f"{score:.4f}", positive if score >= 0.5 else negative, label, f"c{i % 2}"])
    return "sample_id,observed_at,score,predicted_class,label,camera", rows


def named(r: random.Random, classes: list[str], missing: str = "", share: float = 0.0) -> Table:
    """Scores of the predicted class, one of several; some labels are not there yet."""
    rows = []
    for i, moment in enumerate(moments(60)):
        score = 0.5 + r.random() / 2
        predicted = r.choice(classes)
        label = predicted if r.random() < score else r.choice([one for one in classes if one != predicted])
        label = missing if r.random() < share else label
        rows.append([f"s{i}", moment, f"{score:.4f}", predicted, label, f"c{i % 2}"])
    return "sample_id,observed_at,score,predicted_class,label,camera", rows


def given(r: random.Random, task: str) -> Table:
    """Outcomes of the source's own beside labels: of boxes that match none the label is the text None."""
    rows = []
    for i, moment in enumerate(moments(60)):
        score = r.random()
        outcome = int(r.random() < score)
        if task == "detection":
            rows.append([f"s{i}", moment, f"{score:.4f}", outcome, "car", "car" if outcome else "None", f"c{i % 2}"])
        else:
            predicted = "ok" if score < 0.5 else "defect"
            rows.append([f"s{i}", moment, f"{score:.4f}", outcome, predicted, r.choice(["ok", "defect"]), f"c{i % 2}"])
    return "sample_id,observed_at,score,outcome,predicted_class,label,camera", rows


def two_exports(r: random.Random) -> dict[str, Table]:
    """Ids and cameras as whole numbers, then as floats with labels: pandas with a gap. Images are groups over two cameras."""
    header = "sample_id,observed_at,score,outcome,group_id,camera,lighting"
    first: list[list[Any]] = []
    second: list[list[Any]] = []
    for i, moment in enumerate(moments(60, hours=24 * 20)):
        score, light = r.random(), ["day", "night"][i % 2]
        outcome = int(r.random() < score)
        both = [moment, f"{score:.4f}"]
        if i < 45:
            first.append([i, *both, outcome if i % 3 else "", i // 4, i % 3, light])
        if i >= 30:
            second.append([f"{i}.0", *both, outcome, f"{i // 4}.0", f"{i % 3}.0", light])
    return {"a.csv": (header, first), "b.csv": (header, second)}


def write(folder: Path, toml: str, files: dict[str, Table]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "calwatch.toml").write_text('[monitor]\nstate_dir = "state"\n' + toml)
    for name, (header, rows) in files.items():
        lines = [header, *(",".join(map(str, row)) for row in rows)]
        (folder / name).write_text("\n".join(lines) + "\n")


def literal(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool | int | float):
        return repr(value)
    if isinstance(value, dict):
        return "MAP {" + ", ".join(f"{literal(key)}: {literal(own)}" for key, own in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(literal, value)) + "]"
    return "'" + str(value).replace("'", "''") + "'"


def store(folder: Path, *more: str) -> None:
    """Two cycles, then what SQL in ``more`` says that people and jobs did, then the text of all that is stored."""
    config = load_config(folder / "calwatch.toml")
    connection = open_live(folder / "state", now=NOW)
    cycle = Cycle(config, build_watched(config), connection, Instruments(CollectorRegistry()))
    for now in (NOW, NOW + timedelta(minutes=1)):
        assert not cycle.tick(now, publish=False).failed
    for sql in more:
        connection.execute(sql)
    lines = []
    for table in KEPT:
        columns = [row[0] for row in connection.execute(f"DESCRIBE {table}").fetchall()]
        columns = [name for name in columns if name != "sequence"]
        found = connection.execute(f"SELECT {', '.join(columns)} FROM {table} ORDER BY rowid").fetchall()
        rows = [[v.replace(str(folder), "{folder}") if isinstance(v, str) else v for v in row] for row in found]
        if rows:
            values = ",\n".join("(" + ", ".join(map(literal, row)) + ")" for row in rows)
            lines.append(f"INSERT INTO {table} ({', '.join(columns)}) VALUES\n{values};\n")
    connection.close()
    shutil.rmtree(folder / "state")
    (folder / "stored.sql").write_text("\n".join(lines))


def calibrator(name: str, scope: str) -> str:
    return (
        f"INSERT INTO calibrators VALUES ('{name}', 'm', '{scope}', 'platt', NULL, TIMESTAMP '2026-03-01', "
        "TIMESTAMP '2026-02-20', TIMESTAMP '2026-02-25', TIMESTAMP '2026-02-25', TIMESTAMP '2026-02-28', '{}', '{}', "
        """'{"slope": 1.2, "intercept": 0.0}')"""
    )


def serving(name: str, scope: str, since: str) -> str:
    return (
        f"INSERT INTO serving (model, scope, calibrator, since, cause) VALUES ('m', '{scope}', '{name}', "
        f"TIMESTAMP '{since}', 'promoted')"
    )


def main() -> None:
    r = random.Random(4)
    task = {name: MODEL.replace("slices", f'task = "{name}"\nslices') for name in ("binary", "multiclass", "detection")}
    shapes = ["ring", "bar", "cone", "none"]
    numbers = named(r, ["1", "2", "3"])
    floats = ("sample_id,observed_at,score,predicted_class,label,camera", [
        [*row[:4], "" if i % 5 == 0 else f"{row[4]}.0", row[5]] for i, row in enumerate(named(r, ["1", "2", "3"])[1])
    ])  # fmt: skip
    header, short = numbers
    kinds: dict[str, tuple[str, dict[str, Table]]] = {
        "binary-numbers": (task["binary"] + SOURCE, {"a.csv": binary(r)}),
        "binary-names": (task["binary"] + SOURCE, {"a.csv": binary(r, "defect", "ok")}),
        "binary-of-predicted": (task["binary"] + SOURCE, {"a.csv": named(r, ["ok", "defect"])}),
        "labels-missing": (task["multiclass"] + SOURCE, {
            "a.csv": named(r, shapes[:3], "None", 0.4),
            "b.csv": (header, [[f"t{row[0]}", *row[1:]] for row in named(r, shapes[:3], "nan", 0.4)[1]]),
        }),
        "none-is-a-class": (task["multiclass"] + SOURCE, {"a.csv": named(r, shapes)}),
        "labels-as-floats": (task["multiclass"] + SOURCE, {
            "a.csv": (header, short[:30]), "b.csv": (header, [[f"t{row[0]}", *row[1:]] for row in floats[1][:30]]),
        }),
        "two-exports": (
            task["binary"].replace('["camera"]', '["camera", "lighting"]') + 'fold_after = "8d"\n' + SOURCE, two_exports(r),
        ),
        "outcomes-given": (task["binary"] + SOURCE, {"a.csv": given(r, "binary")}),
        "outcomes-given-boxes": (task["detection"] + SOURCE, {"a.csv": given(r, "detection")}),
        "nothing-changed": (task["multiclass"] + SOURCE, {"a.csv": named(r, shapes[:3])}),
        "fractions": (task["binary"] + SOURCE, {}),
        "labels-apart": (
            task["binary"] + '[[model.source]]\nname = "predictions"\npath = "p/*.csv"\n'
            '[[model.source]]\nname = "verdicts"\nholds = "labels"\npath = "l/*.csv"\n', {},
        ),
    }  # fmt: skip
    plain = "sample_id,observed_at,score,outcome,camera"
    rows: list[list[Any]] = [
        [f"s{i}", moment, f"{r.random():.4f}", i % 2, f"c{i % 2}"]
        for i, moment in enumerate(moments(40, fraction=True))
    ]
    again = [[row[0], str(row[1]).removesuffix(".250"), *row[2:]] for row in rows[10:30]]
    kinds["fractions"][1].update({"a.csv": (plain, rows), "b.csv": (plain, again)})
    for name, (toml, files) in kinds.items():
        write(HERE / name, toml, files)
    apart = HERE / "labels-apart"
    header, rows = binary(r, "defect", "ok")
    for folder in ("p", "l"):
        (apart / folder).mkdir()
    text = [
        "sample_id,observed_at,score,camera",
        *(f"{i},{row[1]},{row[2]},{row[5]}" for i, row in enumerate(rows[:40])),
    ]
    (apart / "p" / "a.csv").write_text("\n".join(text) + "\n")
    text = ["sample_id,labelled_at,label", *(f"{i}.0,2026-03-10 11:30:00,{row[4]}" for i, row in enumerate(rows))]
    (apart / "l" / "a.csv").write_text("\n".join(text) + "\n")
    text = ["sample_id,labelled_at,label", *(f"{i},2026-03-10 11:40:00,{row[4]}" for i, row in enumerate(rows[:10]))]
    (apart / "l" / "b.csv").write_text("\n".join(text) + "\n")
    people = {
        "two-exports": (
            calibrator("a" * 16, "camera=1"), calibrator("b" * 16, "camera=1.0"), calibrator("c" * 16, "camera=2.0"),
            serving("a" * 16, "camera=1", "2026-03-02"), serving("b" * 16, "camera=1.0", "2026-03-03"),
            serving("c" * 16, "camera=2.0", "2026-03-03"),
            "INSERT INTO alerts SELECT * REPLACE ('camera=1.0' AS slice, 'firing' AS state, $$seen$$ AS reason, "
            "'by-hand' AS rule, TIMESTAMP '2026-03-09' AS since, TIMESTAMP '2026-03-09' AS fired_at) FROM alerts LIMIT 1",
        ),
        "binary-numbers": (calibrator("d" * 16, "all"), serving("d" * 16, "all", "2026-03-02")),
    }  # fmt: skip
    for name in kinds:
        store(HERE / name, *people.get(name, ()))


if __name__ == "__main__":
    main()
