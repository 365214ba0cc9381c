"""`calwatch tune` and what shows it: without a daemon, jobs, report and its picture, mistakes."""

import json
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pytest
import structlog

from monitor.cli.app import main
from monitor.engine.clock import utc_now
from tests.worlds.boxes_line import Habits, detector_section, make_images
from tests.worlds.line import DAY, write_config, write_file

PROMISE = 'policy = "precision>=0.95"\nper = ["predicted_class"]'


def _say(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out + said.err


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A detector's configuration with files of its last days, in the directory that commands run in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    write_config(tmp_path, detector_section(PROMISE))
    now = utc_now()
    for name, columns in make_images(np.random.default_rng(5), "f", 900, (now - 4 * DAY, now), Habits()).items():
        write_file(tmp_path / name / "1.parquet", columns)
    yield tmp_path
    structlog.reset_defaults()  # it logs to what was captured here


def test_a_detector_is_tuned_here_and_shown(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = _say(capsys, "tune", "m")
    assert (code, "tune all: promoted" in said) == (0, True)
    assert "cat: score >= " in said
    code, jobs = _say(capsys, "jobs")
    assert "tune m all  promoted  (manual)" in jobs
    code, said = _say(capsys, "report", "m", "--png", "thresholds", "--out", "picture.png")
    assert code == 0, said
    assert (base / "picture.png").read_bytes().startswith(b"\x89PNG")
    code, said = _say(capsys, "report", "m", "--out", "report.html")
    assert code == 0, said
    assert "recall over truths" in (base / "report.html").read_text("utf-8")
    with duckdb.connect(str(base / "state" / "metrics.duckdb"), read_only=True) as snapshot:
        rows = snapshot.execute(
            "SELECT DISTINCT t.nms_iou IS NOT NULL, c.nms_iou FROM thresholds AS t JOIN threshold_curves AS c "
            "USING (calibrator, class_name) WHERE t.serving AND t.tuned AND t.class_name = 'cat' ORDER BY ALL"
        ).fetchall()
    assert rows == [(True, 0.3), (True, 0.5), (True, 0.8)]
    code, said = _say(capsys, "rollback", "m")
    assert (code, "rolled back from" in said) == (0, True)


def test_a_model_without_a_policy_has_nothing_to_tune_for(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (base / "calwatch.toml").read_text("utf-8")
    (base / "calwatch.toml").write_text(text.replace("[model.threshold]", "").replace(PROMISE, ""), "utf-8")
    code, said = _say(capsys, "tune", "m")
    assert code == 2
    assert 'model "m" has nothing to tune for' in said
    assert not (base / "state" / "requests").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("tune", "other"), 'has no model "other"'),
        (("tune", "m", "--slice", "factory=1"), 'no slice dimension "factory"'),
        (("tune",), "Missing argument"),
    ],
)
def test_mistakes_are_told_before_anything_is_asked(
    base: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], told: str
) -> None:
    code, said = _say(capsys, *arguments)
    assert code == 2
    assert told in said
    assert not (base / "state" / "requests").exists()


@pytest.mark.parametrize("command", ["tune", "recalibrate"])
def test_a_slice_that_was_never_seen_is_refused_at_once(
    command: str, base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _say(capsys, "once")[0] == 0
    code, said = _say(capsys, command, "m", "--slice", "camera=nrth")
    assert code == 2
    assert 'camera="nrth" is not among' in said


def test_status_and_slices_tell_of_objects(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _say(capsys, "tune", "m")[0] == 0
    assert _say(capsys, "once")[0] == 0
    for command in ("status", "slices"):
        code, said = _say(capsys, command)
        assert (code, "objects, at the threshold in use" in said, "recall" in said) == (0, True, True)
        rows = json.loads(_say(capsys, command, "--json")[1])
        (whole, *_) = rows["models"] if command == "status" else [row for row in rows if row["slice"] == "all"]
        assert whole["truths"] > 0
        assert {"threshold_recall", "threshold_precision", "fp_per_image"} <= whole.keys()
        # what was tuned is in charge, and no image was scored by it yet
        assert (whole["threshold_recall"], whole["fp_per_image"]) == (None, None)


def test_a_schedule_that_is_none_is_a_mistake(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (base / "calwatch.toml").read_text("utf-8")
    (base / "calwatch.toml").write_text(text.replace(PROMISE, f'{PROMISE}\nschedule = "at three"'), "utf-8")
    code, said = _say(capsys, "check")
    assert code == 2
    assert "threshold: schedule" in said
