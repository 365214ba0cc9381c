"""Who is in charge of which scope and when, as tables, files and intervals tell it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from monitor.model import Slice, Task, ThresholdInUse
from monitor.model.refits import ROLLED_BACK, SampleSpan
from monitor.recalibration.artefacts import Artefact, read_current
from monitor.recalibration.calibrators import Temperature
from monitor.recalibration.registry import (
    calibrators_in_use,
    load_charge,
    load_intervals,
    record_artefact,
    take_charge,
    write_files,
)
from monitor.store.thresholds import load_thresholds, store_thresholds
from tests.worlds.line import BEGAN, DAY, Line, line, model_section

MONITOR = model_section(rules="", recalibration='apply = "monitor"')
NIGHT = Slice.of({"lighting": "night"})


def _artefact(temperature: float, scope: Slice = Slice(), fitted_at: datetime = BEGAN) -> Artefact:  # noqa: B008  # frozen
    window = SampleSpan(fitted_at - DAY, fitted_at, 1000)
    return Artefact(
        model="m", scope=scope, method="temperature", parameters={"temperature": temperature, "multiclass": False},
        task=Task.BINARY, fitted_at=fitted_at, fit_window=window, gate_window=window, parent=None, calwatch_version="1",
    )  # fmt: skip


def _promote(held: Line, artefact: Artefact, now: datetime) -> str:
    write_files(held.connection, held.cycle.config.state_dir, "m", artefact)
    record_artefact(held.connection, artefact)
    take_charge(held.connection, "m", artefact.scope, artefact.id, now)
    return artefact.id


def test_taking_charge_ends_the_reign_of_the_one_before_and_leaves_other_scopes(tmp_path: Path) -> None:
    with line(tmp_path, MONITOR) as held:
        first = _promote(held, _artefact(2.0), BEGAN)
        night = _promote(held, _artefact(3.0, NIGHT), BEGAN)
        second = _promote(held, _artefact(4.0), BEGAN + DAY)
        model = held.cycle.config.model[0]
        reigns = {
            (each.scope, each.calibrator): (each.since, each.until) for each in load_intervals(held.connection, model)
        }
        assert reigns == {
            (Slice(), first): (BEGAN, BEGAN + DAY),
            (NIGHT, night): (BEGAN, None),
            (Slice(), second): (BEGAN + DAY, None),
        }
        assert {scope: id_ for scope, (id_, _) in load_charge(held.connection, "m").items()} == {
            Slice(): second,
            NIGHT: night,
        }


def test_intervals_apply_the_very_calibrator_that_was_promoted(tmp_path: Path) -> None:
    score = np.array([0.1, 0.5, 0.9])
    temperature = 1.0 + 1 / 3
    with line(tmp_path, MONITOR) as held:
        _promote(held, _artefact(temperature), BEGAN)
        (interval,) = load_intervals(held.connection, held.cycle.config.model[0])
        assert not interval.needs_logits
        np.testing.assert_array_equal(interval.apply(score, None), Temperature(temperature).apply(score))


def test_a_model_whose_serving_applies_the_calibrator_has_no_intervals(tmp_path: Path) -> None:
    with line(tmp_path, model_section(rules="")) as held:
        _promote(held, _artefact(2.0), BEGAN)
        assert load_intervals(held.connection, held.cycle.config.model[0]) == []


def test_going_back_to_no_calibrator_leaves_a_gap_between_reigns(tmp_path: Path) -> None:
    with line(tmp_path, MONITOR) as held:
        id_ = _promote(held, _artefact(2.0), BEGAN)
        take_charge(held.connection, "m", Slice(), "", BEGAN + DAY)
        take_charge(held.connection, "m", Slice(), id_, BEGAN + 2 * DAY)
        reigns = [(each.since, each.until) for each in load_intervals(held.connection, held.cycle.config.model[0])]
        assert reigns == [(BEGAN, BEGAN + DAY), (BEGAN + 2 * DAY, None)]
        assert list(load_charge(held.connection, "m")) == [Slice()]


def test_current_json_follows_the_database_also_when_it_was_damaged(tmp_path: Path) -> None:
    with line(tmp_path, MONITOR) as held:
        state = held.cycle.config.state_dir
        own = state / "calibrators" / "m"
        id_ = _promote(held, _artefact(2.0), BEGAN)
        for text in ("", "{", json.dumps({"schema_version": 1, "current": {"all": "another"}})):
            (own / "current.json").write_text(text, "utf-8")
            write_files(held.connection, state, "m", None)
            assert read_current(own) == {"all": id_}


def test_writing_the_files_again_leaves_an_unchanged_current_json_alone(tmp_path: Path) -> None:
    with line(tmp_path, MONITOR) as held:
        state = held.cycle.config.state_dir
        _promote(held, _artefact(2.0), BEGAN)
        write_files(held.connection, state, "m", None)
        path = state / "calibrators" / "m" / "current.json"
        before = path.stat().st_ino
        write_files(held.connection, state, "m", None)
        assert path.stat().st_ino == before


def test_only_thresholds_of_calibrators_in_charge_are_shown(tmp_path: Path) -> None:
    with line(tmp_path, MONITOR) as held:
        for temperature, days in ((2.0, 0), (3.0, 1)):
            now = BEGAN + days * DAY
            id_ = _promote(held, _artefact(temperature), now)
            chosen = ThresholdInUse("m", Slice(), "f1", 0.1 * temperature, None, 0.5, id_, now)
            store_thresholds(held.connection, [(chosen, None)])
        (threshold,) = load_thresholds(held.connection, "m")
        assert (threshold.calibrator, threshold.threshold, threshold.precision) == (id_, 0.1 * 3.0, None)
        take_charge(held.connection, "m", Slice(), "", BEGAN + 2 * DAY)
        assert load_thresholds(held.connection, "m") == ()


def test_a_calibrator_is_adopted_once_samples_after_its_promotion_name_it_and_not_before(tmp_path: Path) -> None:
    with line(tmp_path, model_section(rules="")) as held:
        id_ = _promote(held, _artefact(2.0), BEGAN)
        model = held.cycle.config.model[0]

        def adopted() -> dict[str, bool | None]:
            return {each.scope.text: each.adopted for each in calibrators_in_use(held.connection, 1, model)}

        held.arrive(BEGAN, BEGAN + DAY, 100, calibrator=id_)
        held.tick(BEGAN + DAY, publish=False)
        assert adopted() == {"all": True}
        now = BEGAN + 2 * DAY
        take_charge(held.connection, "m", Slice(), "", BEGAN + DAY)
        take_charge(
            held.connection, "m", Slice(), id_, now, cause=ROLLED_BACK
        )  # back again: samples of before do not count
        assert adopted() == {"all": None}
        held.arrive(now, now + DAY, 100)
        held.tick(now + DAY, publish=False)
        assert adopted() == {"all": False}
        held.arrive(now + DAY, now + 2 * DAY, 100, calibrator=id_)
        held.tick(now + 2 * DAY, publish=False)
        assert adopted() == {"all": True}
        _promote(held, _artefact(3.0, NIGHT), now + 2 * DAY)
        held.arrive(
            now + 2 * DAY, now + 3 * DAY, 100, calibrator=id_
        )  # at night, too, production uses that of the whole
        held.tick(now + 3 * DAY, publish=False)
        assert adopted() == {"all": True, NIGHT.text: False}
        held.arrive(now + 5 * DAY, now + 6 * DAY, 100)  # production gave it up
        held.tick(now + 6 * DAY, publish=False)
        assert adopted() == {"all": False, NIGHT.text: False}


def test_calibrators_in_use_tell_method_times_and_unknown_adoption(tmp_path: Path) -> None:
    with line(tmp_path, model_section(rules="")) as held:
        id_ = _promote(held, _artefact(2.0), BEGAN + timedelta(hours=1))
        (charge,) = calibrators_in_use(held.connection, 1, held.cycle.config.model[0])
        assert (charge.calibrator, charge.method, charge.adopted) == (id_, "temperature", None)
        assert (charge.fitted_at, charge.promoted_at) == (BEGAN, BEGAN + timedelta(hours=1))
        assert charge.promoted_at.tzinfo is UTC
