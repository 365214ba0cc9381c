"""The command line: help, the happy path with its outputs, JSON, exit codes, and mistakes people make."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
import structlog

from monitor.cli.app import main
from tests.golden import approved
from tests.worlds.line import model_section, traffic, write_config, write_file
from tests.worlds.process import calwatch

COMMANDS = (
    "", "demo", "init", "check", "run", "once", "backtest", "status", "slices", "jobs", "retry",
    "jobs show", "jobs cancel", "recalibrate", "tune", "rollback",
    "export", "report", "schema", "docs", "snapshot", "rules", "rules test", "token", "token new", "backup", "restore",
)  # fmt: skip
CAMERA = "camera=c1"


@dataclass(frozen=True)
class Said:
    """What one command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Say = Callable[..., Said]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Say]:
    """Run a command inside this process, in ``tmp_path``."""
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path) -> Said:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        code = ended.value.code
        out, err = (re.sub(r"\x1b\[[0-9;]*m", "", text) for text in capsys.readouterr())
        return Said(code if isinstance(code, int) else 0 if code is None else 1, out, err)

    yield run
    structlog.reset_defaults()  # a command points the log at the standard error of this test


def _line(base: Path, n: int = 3000, **planted: Any) -> Path:
    """A configuration and one file of the last day's traffic."""
    path = write_config(base, model_section())
    now = datetime.now(UTC) - timedelta(hours=1)
    write_file(
        base / "in" / "a.parquet", traffic(np.random.default_rng(1), "a", now - timedelta(hours=20), now, n, **planted)
    )
    return path


@pytest.fixture(scope="module")
def once_taken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A line after ``calwatch once``, to be copied."""
    base = tmp_path_factory.mktemp("taken")
    _line(base)
    assert calwatch("once", cwd=base).returncode == 0
    return base


@pytest.fixture
def taken(once_taken: Path, tmp_path: Path) -> Path:
    """The same, of one's own: ``tmp_path``."""
    return Path(shutil.copytree(once_taken, tmp_path, dirs_exist_ok=True))


def test_help_of_every_command_is_as_approved(say: Say) -> None:
    found = ""
    for command in COMMANDS:
        said = say(*command.split(), "--help")
        assert said.code == 0, command
        found += "\n".join(line.rstrip() for line in said.out.splitlines()).strip() + "\n\n"
    assert found == approved("help", found)


def test_every_command_has_its_help_approved(say: Say) -> None:
    listed = re.findall(r"^│ (\w+) ", say("--help").out.partition("Commands")[2], re.MULTILINE)
    assert set(listed) == {command for command in COMMANDS if command and " " not in command}


def test_from_init_to_rollback_every_command_says_what_it_did(say: Say, tmp_path: Path) -> None:
    made = say("init", "line")
    assert made.code == 0
    for name in ("calwatch.toml", "rules/own.toml", "compose.yaml", "prometheus.yml"):
        assert f"wrote line/{name}" in made.out
        assert (tmp_path / "line" / name).exists()
    config = tmp_path / "line" / "calwatch.toml"
    written = config.read_text("utf-8")
    config.write_text(written.replace('rules = ["default", "rules/own.toml"]', 'rules = ["rules/own.toml"]'), "utf-8")
    assert config.read_text("utf-8") != written  # so that no alert refits before we ask
    assert 'note: model "defects": source "samples": no file to read yet' in say("check", "--config", config).out
    early = say("status", "--config", config)
    assert (early.code, early.out) == (1, "")
    assert "there is no snapshot yet" in early.err
    assert "try: start the daemon with: calwatch run (or: calwatch once)" in early.err

    now = datetime.now(UTC) - timedelta(hours=1)
    columns = traffic(np.random.default_rng(3), "a", now - timedelta(hours=20), now, 8000, temperature=4.0)
    write_file(tmp_path / "line" / "samples" / "a.parquet", columns)
    checked = say("check", "--config", config)
    assert (checked.code, checked.err) == (0, "")
    assert re.search(r"fine: 1 model, 1 rule, 1 readable file\n", checked.out)

    once = say("once", "--config", config)
    assert once.code == 0
    assert "1 model, " in once.out
    status = say("status", "--config", config)
    assert status.code == 0
    assert "defects" in status.out
    assert "8,000" in status.out
    slices = say("slices", "--config", config, "--window", "24h", "--limit", "5")
    assert "camera=c1" in say("slices", "--config", config, "--window", "24h").out
    assert slices.out.count("defects") == 5
    assert "by luck: the ECE that 5 %" in slices.out

    refit = say("recalibrate", "defects", "--config", config, "--slice", CAMERA)
    assert refit.code == 0
    assert f"recalibrate {CAMERA}: promoted" in refit.out
    assert "accepted: log-loss better by" in refit.out
    jobs = say("jobs", "--config", config)
    assert f"recalibrate defects {CAMERA}  promoted  (manual)" in jobs.out
    assert f"in charge of defects {CAMERA}: " in say("status", "--config", config).out
    exported = say("export", "defects", "c1.onnx", "--config", config, "--slice", CAMERA)
    assert exported.code == 0
    assert re.search(rf"wrote c1.onnx: \w+ [0-9a-f]{{16}} of defects {CAMERA}", exported.out)
    assert "input score (N,), output calibrated (N,), float32" in exported.out
    assert (tmp_path / "c1.onnx").stat().st_size > 0
    told = say("report", "defects", "--config", config, "--slice", CAMERA)
    assert (told.code, told.err) == (0, "")
    assert told.out.startswith("wrote defects.html: defects, ")
    assert f"Slice {CAMERA}" in (tmp_path / "defects.html").read_text("utf-8")
    assert say("report", "defects", "--config", config, "--png", "pie").code == 2
    assert "--from must be a date or time" in say("report", "defects", "--config", config, "--from", "May").err
    back = say("rollback", "defects", "--config", config, "--slice", CAMERA)
    assert back.code == 0
    assert f"rollback {CAMERA}: done" in back.out
    assert "to no calibrator (scores as they come)" in back.out

    copied = say("snapshot", "copy.duckdb", "--config", config)
    assert (copied.code, copied.out) == (0, "copy.duckdb\n")
    with duckdb.connect(str(tmp_path / "copy.duckdb"), read_only=True) as held:
        assert held.execute("SELECT count(*) FROM jobs WHERE trigger = 'manual'").fetchone() == (2,)
    assert say("init", "line").code == 2


def test_where_nothing_came_yet_there_are_no_empty_tables_but_what_to_do(say: Say, tmp_path: Path) -> None:
    assert say("init", ".").code == 0
    assert say("once").code == 0
    status = say("status").out
    assert "defects: no samples yet" in status
    assert "95 % interval" not in status
    assert say("slices").out == "no readings yet; what came in: calwatch status, what could: calwatch check\n"
    report = say("report", "defects")
    assert (report.code, report.out) == (2, "")
    assert "try: no model has readings yet; what came in: calwatch status, what could: calwatch check" in report.err
    played = say("backtest", "--from", "2026-01-01", "--to", "2026-01-01T02:00")
    assert "defects: no rows in this time; what there is: calwatch check" in played.out


def test_help_loses_no_words_to_markup(say: Say) -> None:
    assert "Needs the extra onnx." in " ".join(say("export", "--help").out.split())


def test_a_schema_is_printed_whole_for_editors(say: Say, tmp_path: Path) -> None:
    assert say("schema").json["properties"].keys() >= {"monitor", "model", "action"}
    assert "Rule" in say("schema", "--rules", "--out", "rules.json").out + (tmp_path / "rules.json").read_text("utf-8")


def test_json_is_valid_and_its_times_carry_their_zone(say: Say, tmp_path: Path) -> None:
    _line(tmp_path, planted={("c3", "night"): 8.0})
    once = say("once", "--json")
    assert once.code == 0
    assert {alert["rule"] for alert in once.json["firing"]} == {"ece-high"}
    assert "camera=c3,lighting=night" in {alert["slice"] for alert in once.json["firing"]}
    assert once.json["failed"] == {}
    assert once.json["snapshot_problem"] is None
    assert {job["state"] for job in once.json["jobs"]} <= {"promoted", "rejected"}
    status = say("status", "--json").json
    assert datetime.fromisoformat(status["published_at"]).tzinfo is not None
    assert status["models"][0]["samples"] == 3000
    slices = say("slices", "--json", "--model", "m").json
    assert slices[0]["ece_lower"] == max(row["ece_lower"] for row in slices if row["ece_lower"] is not None)
    jobs = say("jobs", "--json").json
    assert jobs
    assert all(isinstance(job["reasons"], list) and isinstance(job["details"], dict) for job in jobs)


def test_drift_is_exit_code_three_only_when_asked_for(say: Say, tmp_path: Path) -> None:
    _line(tmp_path, planted={("c3", "night"): 8.0})
    assert say("once").code == 0
    found = say("once", "--fail-on-drift")
    assert found.code == 3
    assert "firing: m ece-high camera=c3,lighting=night: ece_lower" in found.out


def test_no_drift_is_exit_code_zero(say: Say, tmp_path: Path) -> None:
    _line(tmp_path)
    assert say("once", "--fail-on-drift").code == 0


def test_a_model_that_fails_is_exit_code_one_and_told(
    say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> Any:
        raise RuntimeError("no such luck")

    monkeypatch.setattr("monitor.engine.stages.live.load_window_cells", fails)
    _line(tmp_path)
    said = say("once")
    assert said.code == 1
    assert 'error: model "m": RuntimeError: no such luck' in said.err
    refit = say("recalibrate", "m")
    assert refit.code == 1
    assert "RuntimeError: no such luck" in refit.err


def test_five_mistakes_are_all_told_at_once_with_exit_code_two(say: Say, tmp_path: Path) -> None:
    text = _line(tmp_path).read_text("utf-8")
    broken = (
        text.replace('task = "binary"', 'task = "binry"\nbucket = "7h"')
        .replace('windows = ["24h", "7d"]', 'windows = ["a day"]')
        .replace("min_samples = 400", "min_samples = 4\ntreshold = 1")
    )
    (tmp_path / "calwatch.toml").write_text(broken, "utf-8")
    for command in ("check", "run", "once", "status"):
        said = say(command)
        assert said.code == 2
        mistakes = [line for line in said.err.splitlines() if line.startswith("error: ")]
        assert len(mistakes) >= 4
        for part in ("binry", "a day", "min_samples", "treshold"):
            assert any(part in mistake for mistake in mistakes), (part, mistakes)
        assert said.err.splitlines()[-1].startswith("try: ")


def test_a_rule_that_names_an_unknown_metric_is_told_with_the_nearest(say: Say, tmp_path: Path) -> None:
    _line(tmp_path)
    own = tmp_path / "own.toml"
    own.write_text(own.read_text("utf-8").replace('"ece_lower"', '"ece_lowr"'), "utf-8")
    said = say("check")
    assert said.code == 2
    assert 'error: own.toml:5: rule 1 "ece-high": unknown metric "ece_lowr", did you mean "ece_lower"?' in said.err


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("status", "--config", "nowhere.toml"), 2, "nowhere.toml: no such file"),
        (("recalibrate", "other"), 2, 'has no model "other"'),
        (("rollback", "other"), 2, "models: m"),
        (("recalibrate", "m", "--slice", "camera"), 2, '--slice: slice must be "all" or "name=value,…"'),
        (("slices", "--model", "other"), 2, 'no readings of a model "other"'),
        (("jobs", "--model", "other"), 2, 'no readings of a model "other"'),
        (("slices", "--window", "3h"), 2, 'no readings over a window "3h"'),
        (("slices", "--limit", "0"), 2, "--limit"),
        (("backtest", "--from", "yesterday", "--to", "2026-01-02"), 2, "--from must be a date or time such as"),
        (("backtest", "--from", "2026-01-02", "--to", "2026-01-01"), 2, "--from must lie before --to"),
        (("backtest", "--from", "2026-01-01", "--to", "2026-01-02", "--step", "soon"), 2, "--step must be a duration"),
        (("backtest", "--from", "2026-01-01", "--to", "2026-01-02", "--step", "0s"), 2, "--step must be longer than 0s"),
        (("backtest", "--to", "2026-01-02"), 2, "--from"),
        (("no-such-command",), 2, "no-such-command"),
        (("export", "other", "x.onnx"), 2, 'has no model "other"'),
        (("export", "m", "x.onnx", "--slice", "factory=north"), 2, 'has no slice dimension "factory"'),
        (("export", "m", "x.onnx"), 1, "no calibrator is in charge of all"),
        (("export", "m", "x.onnx", "--id", "0123456789abcdef"), 1, "there is no such calibrator"),
        (("rollback", "m"), 1, "nothing to roll back"),
        (("snapshot", "no/such/directory/x.duckdb"), 1, "cannot be written"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("taken")
def test_misuse_is_exit_code_two_and_failure_one_and_both_say_why(
    arguments: tuple[str, ...], code: int, told: str, say: Say
) -> None:
    said = say(*arguments)
    assert said.code == code
    assert told in said.err + said.out


def test_a_slice_the_model_does_not_have_is_told(say: Say, tmp_path: Path) -> None:
    _line(tmp_path, 300)
    said = say("recalibrate", "m", "--slice", "factory=north")
    assert said.code == 2
    assert 'model "m" has no slice dimension "factory"' in said.err


def test_a_bad_slice_leaves_no_request_behind(say: Say, tmp_path: Path) -> None:
    _line(tmp_path, 300)
    say("recalibrate", "m", "--slice", "camera")
    assert not (tmp_path / "state").exists()


def test_rule_tests_say_ok_or_where_they_failed(say: Say, tmp_path: Path) -> None:
    packs = Path(__file__).parents[2] / "rules"
    for name in ("default.toml", "default.test.toml"):
        (tmp_path / name).write_text((packs / name).read_text("utf-8"), "utf-8")
    passed = say("rules", "test", "default.test.toml")
    assert passed.code == 0
    assert passed.out.startswith("ok    ")
    assert re.fullmatch(r"\d+ tests, 0 failed", passed.out.splitlines()[-1])
    broken = tmp_path / "broken.test.toml"
    text = (tmp_path / "default.test.toml").read_text("utf-8")
    broken.write_text(text.replace('state = "pending"', 'state = "resolved"', 1), "utf-8")
    failed = say("rules", "test", "default.test.toml", "broken.test.toml")
    assert failed.code == 1
    (place,) = [line for line in failed.out.splitlines() if line.startswith("FAILED")]
    assert "broken.test.toml" in place
    assert failed.out.splitlines()[-1].endswith(" tests, 1 failed")
    missing = say("rules", "test", "nowhere.test.toml")
    assert (missing.code, missing.out) == (2, "")
    assert "nowhere.test.toml" in missing.err


def test_in_a_pipe_there_is_no_colour_and_no_progress(tmp_path: Path) -> None:
    _line(tmp_path, 300)
    day = datetime.now(UTC).date()
    said = calwatch("backtest", "--from", str(day - timedelta(days=1)), "--to", str(day), "--step", "12h", cwd=tmp_path)
    assert said.returncode == 0, said.stderr
    assert said.stderr == ""
    assert "\x1b" not in said.stdout


def test_version_is_printed(say: Say) -> None:
    assert re.fullmatch(r"calwatch \S+\n", say("--version").out)


@pytest.mark.parametrize("command", ["status", "slices", "jobs", "report m"])
def test_whatever_is_asked_of_what_was_published_says_that_the_database_beside_it_is_lost(
    say: Say, taken: Path, command: str
) -> None:
    state = taken / "state"
    (state / "calibrators" / "m").mkdir(parents=True, exist_ok=True)
    (state / "calibrators" / "m" / "current.json").write_text("{}", "utf-8")
    before = say(*command.split())
    assert (before.code, "note: this is what" in before.err) == (0, False)
    (state / "live.duckdb").unlink()
    after = say(*command.split())
    assert (after.code, after.out) == (0, before.out)
    assert "note: this is what was published last: " in after.err
    assert "live.duckdb: is missing beside calibrators" in after.err
    assert "try: restore a backup: calwatch restore FILE" in after.err
    (state / "live.duckdb").write_bytes(b"no database at all, but some text")
    assert "live.duckdb: is no DuckDB database" in say(*command.split()).err


@pytest.mark.parametrize(("age", "old"), [(timedelta(minutes=9), False), (timedelta(hours=3), True)])
def test_a_snapshot_that_no_cycle_has_renewed_is_told_to_be_old(
    say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, age: timedelta, old: bool
) -> None:
    _line(tmp_path)
    assert say("once").code == 0
    monkeypatch.setattr("monitor.engine.clock.utc_now", lambda: datetime.now(UTC) + age)
    said = say("status")
    assert (said.code, "this is OLD: published 3 h ago" in said.err, said.err == "") == (0, old, not old)
    assert say("status", "--state-dir", "state").err == ""
