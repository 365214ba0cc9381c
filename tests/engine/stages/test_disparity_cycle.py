"""Disparity rules through the whole cycle: planted, computed once, kept over a restart, shown, and with groups."""

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

import monitor.engine.stages.live
from monitor.engine.cycle import Tick
from monitor.engine.stages.measure import disparities_of
from monitor.model import Alert, AlertState, Disparity, Slice
from monitor.rules.pack import parse_pack
from monitor.statistics.arrays import concatenate_columns
from monitor.statistics.calibration.disparity import assess_disparities, compare_with_rest
from monitor.statistics.cells import Cells, Clusters
from monitor.store.cells import load_window_cells
from monitor.store.model_store import ModelStore
from monitor.store.published.snapshot import SNAPSHOT
from tests.worlds.line import BEGAN, DAY, HOUR, line, model_section, write_file

HAZED = Slice.of({"camera": "c3", "lighting": "night"})
PLANTED = {("c3", "night"): 5.0}
WORSE = """
[[rule]]
name = "worse"
kind = "disparity"
measure = "error"
above = 0.02
window = "24h"
severity = "ticket"

[[rule]]
name = "worse-gap"
kind = "disparity"
measure = "gap"
window = "24h"
severity = "info"
slices = "marginals"
"""


def section(base: Path, extra: str = "") -> str:
    """A model under the two rules above."""
    base.mkdir(exist_ok=True)
    (base / "worse.toml").write_text(WORSE, "utf-8")
    return model_section(rules="worse.toml", extra=extra)


def firing(tick: Tick, rule: str = "worse") -> dict[str, Alert]:
    return {
        alert.slice.text: alert
        for alert in tick.published.models[0].alerts
        if alert.state is AlertState.FIRING and alert.rule == rule
    }


def test_the_slice_that_is_off_fires_with_its_onset_and_is_shown_in_the_snapshot(tmp_path: Path) -> None:
    with line(tmp_path, section(tmp_path)) as held:
        held.arrive(BEGAN, BEGAN + DAY, 6000)
        quiet = held.tick(BEGAN + DAY, publish=False)
        assert not firing(quiet)
        began = BEGAN + DAY
        held.arrive(began, began + DAY, 9000, planted=PLANTED)
        tick = held.tick(began + DAY)
        alerts = firing(tick)
        assert HAZED.text in alerts
        assert all(Slice.parse(text).contains(HAZED) for text in alerts), "a slice outside the haze was named"
        alert = alerts[HAZED.text]
        assert alert.onset is not None
        assert abs(alert.onset - began) <= 4 * HOUR
        assert alert.reason.startswith("debiased ECE 0.")
        assert "with 95 % confidence over 11 slices, 0.02 is allowed) over 24h (" in alert.reason  # 3 + 2 + 3 · 2
    with duckdb.connect(str(tmp_path / "state" / SNAPSHOT), read_only=True) as shown:
        rows = shown.execute(
            "SELECT rule, slice, difference, labels['lighting'] FROM disparities WHERE lower >= 0.02 AND rule = 'worse' "
            "ORDER BY difference DESC"
        ).fetchall()
        counts = shown.execute("SELECT rule, count(*), min(rest_samples) FROM disparities GROUP BY rule ORDER BY rule")
        worse, gap = counts.fetchall()
    assert rows[0] == ("worse", HAZED.text, alert.value, "night")
    assert (worse[1], gap[1]) == (11, 5)
    assert worse[2] > 3000


def test_disparities_are_computed_when_cells_moved_and_again_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def counted(*arguments: Any) -> tuple[Disparity, ...]:
        asked.append(arguments[2])
        return disparities_of(*arguments)

    monkeypatch.setattr(monitor.engine.stages.live, "disparities_of", counted)
    now = BEGAN + DAY
    with line(tmp_path, section(tmp_path)) as held:
        held.arrive(BEGAN, now, 9000, planted=PLANTED)
        first = held.tick(now, publish=False)
        assert asked == ["24h", "7d"]
        before = firing(first)
        still = held.tick(now + HOUR / 4, publish=False)
        assert asked == ["24h", "7d"], "computed again although nothing moved"
        assert firing(still).keys() == before.keys()
        assert firing(still)[HAZED.text].evaluated_at == now + HOUR / 4
    with line(tmp_path) as held:
        again = firing(held.tick(now + HOUR / 2, publish=False))
        assert asked == ["24h", "7d"] * 2
        assert {text: (alert.reason, alert.fired_at) for text, alert in again.items()} == {
            text: (alert.reason, alert.fired_at) for text, alert in before.items()
        }


def test_a_mended_slice_is_cleared_and_a_silent_one_is_not(tmp_path: Path) -> None:
    with line(tmp_path, section(tmp_path, "min_samples = 200")) as held:
        now = BEGAN + DAY
        held.arrive(BEGAN, now, 9000, planted=PLANTED)
        assert HAZED.text in firing(held.tick(now, publish=False))
        held.arrive(now, now + DAY, 9000, cameras=("c1", "c2"))
        silent = firing(held.tick(now + DAY, publish=False))
        assert HAZED.text in silent, "it healed because nobody looked"
        assert "is unknown" in silent[HAZED.text].reason
        held.arrive(now + DAY, now + 2 * DAY, 9000)
        assert not firing(held.tick(now + 2 * DAY, publish=False))


def test_groups_inside_cameras_and_across_lightings_are_told_apart_by_the_sums_in_the_store(tmp_path: Path) -> None:
    """Each image is of one camera and has boxes in both lightings."""
    rng = np.random.default_rng(4)
    with line(tmp_path, section(tmp_path)) as held:
        columns = held.arrive(BEGAN, BEGAN + DAY, 1)
        images, boxes = 300, 4
        n = images * boxes
        image = np.repeat(np.arange(images), boxes)
        score = rng.uniform(0.1, 0.9, n)
        outcome = (rng.random(images)[image] < score).astype(np.int64)
        camera = np.array(["c1", "c2", "c3"], dtype=object)[image % 3]
        lighting = np.tile(np.array(["day", "night"], dtype=object), n // 2)
        columns = {name: np.resize(values, n) for name, values in columns.items()}
        columns |= {
            "sample_id": np.array([f"g{index}" for index in range(n)], dtype=object),
            "score": score,
            "outcome": outcome,
            "camera": camera,
            "lighting": lighting,
            "group_id": np.array([f"i{number}" for number in image], dtype=object),
        }
        (tmp_path / "in" / "f001.parquet").unlink()
        write_file(tmp_path / "in" / "g.parquet", columns)
        held.tick(BEGAN + DAY, publish=False)
        model = held.cycle.watched[0].model
        store = ModelStore.load(held.connection, model, BEGAN + DAY)
        window = load_window_cells(store, BEGAN, BEGAN + DAY)
        rules = parse_pack(WORSE, "worse.toml")
        found = {d.slice.text: d for d in disparities_of(model, rules[1:], "24h", BEGAN, BEGAN + DAY, window)}

    pairs = np.array([[0, 0], [1, 0], [0, 1], [1, 2]])
    for text, inside, spanning in (
        ("camera=c1", camera == "c1", False),
        ("lighting=night", lighting == "night", True),
    ):
        assert bool(len(np.intersect1d(image[inside], image[~inside]))) == spanning
        unit = inside.astype(np.int64)
        clusters = concatenate_columns([Clusters.from_samples(score, outcome, image, own) for own in (None, unit + 1)])
        cells = Cells.from_samples(score, outcome, unit=unit).regroup(pairs)
        expected = compare_with_rest(cells, clusters, np.zeros(3, dtype=np.int64), np.array([0, 1, 1]), "gap")
        alone = assess_disparities(expected, np.array([False, False, True]), level=0.05)
        assert found[text].difference == pytest.approx(expected.difference[2], abs=1e-9)
        assert found[text].lower_alone == pytest.approx(alone.lower_alone[2], abs=1e-9)
        assert found[text].rest_samples == (~inside).sum()
