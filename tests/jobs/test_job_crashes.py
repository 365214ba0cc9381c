"""Damaged artefacts, power cuts and full disks between the steps of a promotion."""

from pathlib import Path
from typing import Any

import pytest

import monitor.recalibration.inputs
import monitor.recalibration.registry
from monitor.jobs.requests import leave_request
from monitor.model import JobState
from monitor.model.errors import StoreError
from tests.worlds.jobs import ALL, MODEL, NOW, ask, calibrator_of, in_charge, two_promotions
from tests.worlds.line import BEGAN, DAY, HOUR, line


def test_a_rollback_to_a_damaged_artefact_fails_and_the_present_one_stays(tmp_path: Path) -> None:
    with line(tmp_path, MODEL) as held:
        first, second = two_promotions(held)
        path = held.cycle.config.state_dir / "calibrators" / "m" / f"{first}.json"
        path.write_text(path.read_text("utf-8").replace('"temperature": ', '"temperature": 1'), "utf-8")
        job = ask(held, NOW + 16 * DAY, "rollback")
        assert job.state is JobState.FAILED
        assert "is damaged or was edited" in job.reasons[0]
        assert str(path) in job.reasons[0]
        assert in_charge(held) == {"all": second}


def test_a_damaged_file_of_the_calibrator_in_charge_stops_neither_samples_nor_the_way_back(tmp_path: Path) -> None:
    with line(tmp_path, MODEL.replace('method = "temperature"', 'method = "temperature"\napply = "monitor"')) as held:
        held.arrive(BEGAN, NOW, 3000, temperature=3.0)
        id_ = calibrator_of(ask(held, NOW))
        (held.cycle.config.state_dir / "calibrators" / "m" / f"{id_}.json").write_text("{", "utf-8")
        held.arrive(NOW, NOW + HOUR, 100)
        assert held.tick(NOW + HOUR, publish=False).failed == {}
        assert (
            held.one("SELECT count(*) FROM samples JOIN streams USING (stream_id) WHERE calibrator = $id", id=id_)
            == 100
        )
        assert ask(held, NOW + 2 * HOUR, "rollback").state is JobState.DONE
        held.arrive(NOW + 2 * HOUR, NOW + 3 * HOUR, 100)
        held.tick(NOW + 3 * HOUR, publish=False)
        assert (
            held.one("SELECT count(*) FROM samples JOIN streams USING (stream_id) WHERE calibrator = $id", id=id_)
            == 100
        )


def test_a_crash_between_the_file_and_the_commit_leaves_no_promotion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class PowerCutError(BaseException):
        pass

    def cut(*_: Any) -> None:
        raise PowerCutError

    with line(tmp_path, MODEL) as held:
        held.arrive(BEGAN, NOW, 3000, temperature=3.0)
        leave_request(held.cycle.config.state_dir, "m", "recalibrate", ALL, NOW)
        monkeypatch.setattr(monitor.recalibration.inputs, "record_artefact", cut)
        with pytest.raises(PowerCutError):
            held.tick(NOW, publish=False)
        files = list((held.cycle.config.state_dir / "calibrators" / "m").glob("*.json"))
    assert [path.name for path in files] != []
    assert "current.json" not in {path.name for path in files}
    monkeypatch.undo()
    with line(tmp_path) as held:
        assert held.one("SELECT count(*) FROM serving") == 0
        assert held.one("SELECT state FROM jobs") == "running"
        (job,) = held.tick(NOW + HOUR, publish=False).jobs["m"]
        assert in_charge(held) == {"all": calibrator_of(job)}
        assert held.one("SELECT count(*) FROM jobs") == 1


def test_a_crash_between_the_commit_and_current_json_is_put_right_by_the_next_cycle(tmp_path: Path) -> None:
    with line(tmp_path, MODEL) as held:
        held.arrive(BEGAN, NOW, 3000, temperature=3.0)
        id_ = calibrator_of(ask(held, NOW))
        path = held.cycle.config.state_dir / "calibrators" / "m" / "current.json"
        path.unlink()
        (tmp_path / "in" / "trouble.parquet").write_bytes(b"PAR1")
    with line(tmp_path) as held:
        held.tick(NOW + HOUR, publish=False)
        assert in_charge(held) == {"all": id_}


def test_a_promotion_whose_current_json_cannot_be_written_stays_a_promotion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(directory: Path, current: object) -> Path:
        raise StoreError(f"{directory}/current.json: cannot be written (No space left on device)")

    with line(tmp_path, MODEL) as held:
        held.arrive(BEGAN, NOW, 3000, temperature=3.0)
        leave_request(held.cycle.config.state_dir, "m", "recalibrate", ALL, NOW)
        monkeypatch.setattr(monitor.recalibration.registry, "write_current", no_space)
        assert "No space left" in held.tick(NOW, publish=False).failed["m"]
        assert held.one("SELECT state FROM jobs") == "promoted"
        monkeypatch.undo()
        assert held.tick(NOW + HOUR, publish=False).failed == {}
        assert in_charge(held) == {"all": held.one("SELECT calibrator FROM serving")}
