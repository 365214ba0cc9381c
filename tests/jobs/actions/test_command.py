"""Commands: arguments, no shell, their own environment, output kept, killed with all their children."""

import json
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor.config.actions import Action
from monitor.jobs.actions import command
from monitor.jobs.actions.deliver import deliver_event
from monitor.jobs.actions.delivery import OUTPUT_KEPT, Delivery, DeliveryResult
from tests.worlds.process import wait_for

PAYLOAD = {"event": "alert.firing", "model": "m", "alert": {"slice": "camera=c3", "rule": "ece-high"}}


def _run(
    base: Path, arguments: Sequence[str], payload: dict[str, Any] | None = None, **settings: Any
) -> DeliveryResult:
    action = Action(name="retrain", kind="command", command=tuple(arguments), **settings)
    at = datetime(2026, 3, 1, tzinfo=UTC)
    return deliver_event(Delivery(action, payload or PAYLOAD, "0123456789ab", 2, at, base))


def _python(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def test_it_gets_the_payload_on_stdin_and_only_the_environment_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INHERITED", "no")
    monkeypatch.setenv("TOKEN", "very secret")
    text = "import json,os,sys; print(json.dumps([json.load(sys.stdin), dict(os.environ), os.getcwd()]))"
    found = _run(tmp_path, _python(text), env={"REGION": "eu", "SECRET": "env:TOKEN"})
    assert found.done, found
    payload, environment, directory = json.loads(found.output)
    assert payload == PAYLOAD
    assert environment.pop("LC_CTYPE", "C.UTF-8") == "C.UTF-8"  # Python sets it itself
    assert environment == {
        "PATH": command.PATH, "LANG": "C.UTF-8", "REGION": "eu", "SECRET": "***", "CALWATCH_EVENT": "alert.firing",
        "CALWATCH_MODEL": "m", "CALWATCH_SLICE": "camera=c3", "CALWATCH_RULE": "ece-high", "CALWATCH_ACTION": "retrain",
        "CALWATCH_KEY": "0123456789ab", "CALWATCH_ATTEMPT": "2",
    }  # fmt: skip
    assert directory == str(tmp_path.resolve())


def test_arguments_are_taken_as_they_are(tmp_path: Path) -> None:
    found = _run(tmp_path, ["echo", "$HOME; echo pwned", "`id`", "*"])
    assert found.output == "$HOME; echo pwned `id` *\n"


def test_an_exit_code_is_a_failure_that_may_pass_and_the_output_is_kept(tmp_path: Path) -> None:
    found = _run(tmp_path, _python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"))
    assert (found.done, found.may_pass) == (False, True)
    assert found.message.endswith(": exit code 3")
    assert sorted(found.output.split()) == ["err", "out"]
    signalled = _run(tmp_path, _python("import os; os.kill(os.getpid(), 9)"))
    assert signalled.message.endswith(": ended by signal 9")


def test_a_program_that_is_not_there_fails_for_good(tmp_path: Path) -> None:
    found = _run(tmp_path, ["/no/such/program"])
    assert (found.done, found.may_pass) == (False, False)
    assert found.message == "/no/such/program: cannot be started: No such file or directory"


def test_the_last_64_kilobytes_of_much_output_are_kept(tmp_path: Path) -> None:
    found = _run(tmp_path, _python("import sys\nfor n in range(100_000): print(n)"))
    assert found.done
    assert len(found.output) == OUTPUT_KEPT
    assert found.output.endswith("99999\n")


def test_a_payload_larger_than_a_pipe_reaches_a_slow_reader_and_harms_nobody_who_does_not_read(tmp_path: Path) -> None:
    large = {"model": "m", "text": "x" * 1_000_000}
    found = _run(tmp_path, _python("import sys; print(len(sys.stdin.read()))"), large)
    assert int(found.output) > 1_000_000
    assert _run(tmp_path, ["true"], large).done


def test_one_that_hangs_is_killed_with_its_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "GRACE", 0.1)
    child = (
        "import signal,time,os; signal.signal(15, signal.SIG_IGN); print('c', os.getpid(), flush=True); time.sleep(600)"
    )
    parent = (
        "import signal,subprocess,sys,os,time; signal.signal(15, signal.SIG_IGN); print('p', os.getpid(), flush=True); "
        f"subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(600)"
    )
    found = _run(tmp_path, _python(parent), timeout=timedelta(seconds=2))
    assert (found.done, found.may_pass) == (False, True)
    assert "killed after 2 s, with its children" in found.message
    numbers = [int(line.split()[1]) for line in found.output.splitlines()]
    assert len(numbers) == 2
    for number in numbers:
        wait_for(lambda number=number: not _alive(number), f"process {number} to be gone")  # type: ignore[misc]  # bound


def _alive(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{number}/stat").read_text("utf-8").split()[2]


def test_a_child_left_behind_that_holds_the_output_open_does_not_hold_us_up(tmp_path: Path) -> None:
    child = "import time; time.sleep(20)"
    found = _run(
        tmp_path, _python(f"import subprocess,sys; subprocess.Popen([sys.executable, '-c', {child!r}]); print('done')")
    )
    assert (found.done, found.output) == (True, "done\n")
