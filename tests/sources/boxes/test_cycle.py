"""A detector's model through whole cycles: measured, shown, backed up and restored."""

from contextlib import closing
from pathlib import Path

import duckdb

from monitor.config.settings import load_config
from monitor.store.backup.create import write_backup
from monitor.store.backup.restore import restore_backup
from monitor.store.connection import LIVE, open_live
from tests.sources.boxes.detector import ALL, a_box, an_image, source
from tests.worlds.levels import MINUTE, run_cycle, tables_of
from tests.worlds.store import NOW, write_csv

TABLES = ("images", "detections", "truths", "reviews", "images_matched", "samples")


def _line(base: Path) -> Path:
    text = '[[model]]\nname = "m"\ntask = "detection"\nmin_samples = 1\nslices = ["camera"]\n' + "".join(
        map(source, ALL)
    )
    (base / "calwatch.toml").write_text(f"{text}[model.matching]\nsize = [32, 96]\n", "utf-8")
    rows = {
        "images": [an_image(name, camera="c1") for name in "abc"],
        "detections": [a_box(name, score=score) for name in "abc" for score in (0.9, 0.4)],
        "truth": [a_box(name) for name in "ab"],
    }
    for holds, held in rows.items():
        (base / holds).mkdir()
        write_csv(base / holds / "1.csv", held)
    return base


def test_boxes_are_measured_and_shown(tmp_path: Path) -> None:
    tick = run_cycle(_line(tmp_path), NOW)
    assert not tick.failed
    (status,) = tick.published.models
    whole = next(each for each in status.readings if each.slice.text == "all" and each.window == "24h")
    assert (whole.samples, whole.unlabelled) == (4, 2)
    assert status.dimensions == ("camera", "size")
    assert {"camera=c1", "size=small", "camera=c1,size=small"} <= {each.slice.text for each in status.readings}
    with duckdb.connect(str(tmp_path / "calwatch-state" / "metrics.duckdb"), read_only=True) as snapshot:
        tables = {name for (name,) in snapshot.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    assert tables.isdisjoint({"detections", "truths"})
    assert not run_cycle(tmp_path, NOW + MINUTE).failed


def test_a_restored_state_goes_on_with_its_boxes(tmp_path: Path) -> None:
    base = _line(tmp_path)
    assert not run_cycle(base, NOW).failed
    state, config = base / "calwatch-state", load_config(base / "calwatch.toml")
    before = tables_of(state / LIVE)
    assert all(before[name] for name in TABLES)
    assert config.state_dir == state
    archive = base / "backup.tar"
    with closing(open_live(state, now=NOW)) as connection:
        write_backup(connection, state, archive, NOW)
    restore_backup(archive, state, NOW, replace=True)
    write_csv(base / "truth" / "2.csv", [a_box("c")])
    assert not run_cycle(base, NOW + MINUTE).failed
    after = tables_of(state / LIVE)
    assert {name: len(after[name]) - len(before[name]) for name in TABLES} == {
        "images": 0, "detections": 0, "truths": 1, "reviews": 1, "images_matched": 0, "samples": 0,
    }  # fmt: skip
