"""One bad file stops no backtest and no guess: it is named with what to do, and the others are played."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from monitor.cli import backtest as playapart
from monitor.cli.app import main
from monitor.cli.backtest import play_apart
from monitor.config.settings import load_config
from monitor.engine.backtest import Playback, play_history
from monitor.sources.batch import Batch
from monitor.sources.replay.source import ReplaySource
from tests.worlds.line import model_section, write_config
from tests.worlds.poison import MEMORY, POISON, flat_list, poison_readers
from tests.worlds.process import calwatch, calwatch_here
from tests.worlds.store import a_row, write_csv, write_json_lines

BEGAN = datetime(2026, 3, 10, tzinfo=UTC)
SPAN = (BEGAN, BEGAN + timedelta(days=1), timedelta(hours=12))
STRUCT = 'columns = { camera = "place.camera" }'


def _good(base: Path, *names: str) -> None:
    for name in names:
        (base / "in").mkdir(exist_ok=True)
        write = write_csv if name.endswith("csv") else write_json_lines
        write(base / "in" / name, [a_row(name, observed_at="2026-03-10 06:00:00", labelled_at="2026-03-10 06:00:00")])


def _config(base: Path, *, source: str = "") -> Path:
    section = model_section(rules="")
    if source:
        section = section.replace("[model.source]\n", f"[model.source]\n{source}\n")
    return write_config(base, section, monitor=f'memory_limit = "{MEMORY}"')


def _taken(state: Path) -> set[str]:
    with duckdb.connect(str(state / "live.duckdb"), read_only=True) as held:
        return {sample for (sample,) in held.execute("SELECT sample_id FROM samples").fetchall()}


def _told(played: Playback) -> dict[str, str]:
    return {Path(each.item).name: each.message for each in played.problems if each.reason == "file_set_aside"}


@pytest.mark.parametrize("name", POISON)
def test_a_file_that_takes_all_memory_is_named_and_the_others_are_played(tmp_path: Path, name: str) -> None:
    config = _config(tmp_path, source=STRUCT if name == "struct.parquet" else "")
    _good(tmp_path, "a.csv", "m.jsonl", "z.csv")
    POISON[name](tmp_path / "in" / name)
    played = play_history(load_config(config), tmp_path / "played", *SPAN)
    assert played.failures == ()
    assert _taken(tmp_path / "played") == {"a.csv", "m.jsonl", "z.csv"}
    assert list(_told(played)) == [name]
    told = _told(played)[name]
    assert "takes more memory to read than memory_limit" in told
    assert "Leave out long lists" in told
    (status,) = played.published.models
    assert [(Path(each.item).name, each.kind) for each in status.files_set_aside] == [(name, "out_of_memory")]


@pytest.mark.parametrize("error", [MemoryError("so much"), RecursionError("so deep"), AssertionError("never")])
@pytest.mark.parametrize("step", ["_review", "_take"])
def test_what_no_file_should_cause_is_told_of_the_file_at_which_it_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, step: str
) -> None:
    config = _config(tmp_path)
    _good(tmp_path, "a.csv", "bad.csv", "z.csv")
    real = getattr(ReplaySource, step)

    def failing(self: ReplaySource, *arguments: object) -> object:
        batch = next(each for each in arguments if isinstance(each, Batch))
        if any("bad.csv" in item for item in batch.cursor):
            raise error
        return real(self, *arguments)

    monkeypatch.setattr(ReplaySource, step, failing)
    played = play_history(load_config(config), tmp_path / "played", *SPAN)
    assert (played.failures, list(_told(played))) == ((), ["bad.csv"])
    assert _taken(tmp_path / "played") == {"a.csv", "z.csv"}


@pytest.mark.parametrize(
    "error", [duckdb.IOException("No space left on device"), OSError(28, "No space left on device")]
)
def test_a_full_disk_is_no_fault_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    config = _config(tmp_path)
    _good(tmp_path, "a.csv")

    def failing(self: ReplaySource, *arguments: object) -> None:
        raise error

    monkeypatch.setattr(ReplaySource, "_take", failing)
    played = play_history(load_config(config), tmp_path / "played", *SPAN)
    assert "No space left" in played.failures[0]
    assert _told(played) == {}


def test_files_that_end_or_hang_the_process_are_named_and_the_others_are_played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = _config(tmp_path)
    _good(tmp_path, "a.csv", "crasher.csv", "killer.csv", "sleeper.csv", "z.csv")
    poison_readers(tmp_path, monkeypatch)
    monkeypatch.setattr(playapart, "seconds_for", lambda size: 4.0)
    played = play_apart(load_config(config), tmp_path / "played", *SPAN)
    assert played.failures == ()
    assert _taken(tmp_path / "played") == {"a.csv", "z.csv"}
    told = _told(played)
    assert sorted(told) == ["crasher.csv", "killer.csv", "sleeper.csv"]
    assert "ended the process that read it, by SIGSEGV" in told["crasher.csv"]
    assert "ended the process that read it, by SIGKILL" in told["killer.csv"]
    assert "takes too long to read. Write it anew in several smaller files" in told["sleeper.csv"]


def test_a_backtest_that_ends_over_no_file_says_so_and_is_not_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    config = _config(tmp_path)
    (tmp_path / "patch").mkdir()
    (tmp_path / "patch" / "sitecustomize.py").write_text(
        "import monitor.engine.backtest\ndef play(*arguments, **named): raise ValueError('a mistake')\n"
        "monitor.engine.backtest.play_history = play\n",
        "utf-8",
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "patch"))
    with pytest.raises(Exception, match="the backtest ended the process that read it, with code 1"):
        play_apart(load_config(config), tmp_path / "played", *SPAN)
    assert "a mistake" in capfd.readouterr().err


def test_the_command_tells_of_a_bad_file_and_fails_only_where_nothing_could_be_read(tmp_path: Path) -> None:
    _config(tmp_path)
    flat_list(tmp_path / "in" / "flat.jsonl")
    span = ("--from", "2026-03-10", "--to", "2026-03-11", "--step", "12h")
    alone = calwatch("backtest", *span, "--state-dir", "one", cwd=tmp_path)
    assert (alone.returncode, "Traceback" in alone.stderr) == (1, False)
    assert "flat.jsonl: takes more memory" in alone.stdout
    assert "error: nothing could be read" in alone.stderr
    _good(tmp_path, "a.csv")
    beside = calwatch_here("backtest", *span, "--state-dir", "two", "--json", cwd=tmp_path)
    assert (beside.returncode, beside.stderr) == (0, "")
    found = json.loads(beside.stdout)
    assert (found["pulled"]["m"]["new"], found["failures"]) == (1, [])
    assert any("flat.jsonl: takes more memory" in problem for problem in found["problems"])


def _fails(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)


@pytest.mark.parametrize(
    ("name", "make", "told"),
    [
        (
            "flat.jsonl",
            lambda path: path.write_text('{"a": [' + "0," * (4 << 20) + "0]}\n", "utf-8"),
            "more memory to read",
        ),
        (
            "deep.jsonl",
            lambda path: path.write_text('{"a": ' + "[" * 2**20 + "]" * 2**20 + "}\n", "utf-8"),
            "more memory",
        ),
        ("killer.csv", lambda path: path.write_text("score,outcome\n0.5,1\n", "utf-8"), "by SIGKILL (out of memory?)"),
        ("crasher.csv", lambda path: path.write_text("score,outcome\n0.5,1\n", "utf-8"), "by SIGSEGV"),
    ],
)
def test_init_from_a_file_that_cannot_be_read_is_one_error_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str,
    make: Callable[[Path], object], told: str,
) -> None:  # fmt: skip
    make(tmp_path / name)
    poison_readers(tmp_path, monkeypatch)
    assert _fails(["init", str(tmp_path / "made"), "--from", str(tmp_path / name)]) == 2
    said = capsys.readouterr().err
    assert said.count("error: ") == 1
    assert name in said
    assert told in said
    assert "or name another file" in said
    assert "Traceback" not in said
    assert not (tmp_path / "made").exists()
