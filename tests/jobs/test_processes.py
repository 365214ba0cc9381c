"""Work in processes of its own: done, timed out, cancelled, killed; nothing of it is left behind."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from monitor.config.actions import Action
from monitor.config.settings import Model
from monitor.jobs.actions.delivery import Delivery, DeliveryResult
from monitor.jobs.runners import PatientRunner, ProcessRunner
from monitor.jobs.work import Breakdown, Work, WorkResult, action_work, carry_out_work, refit_work
from monitor.model import Slice, Task
from monitor.model.reasons import Reason
from monitor.model.samples import Samples
from monitor.recalibration.refit import Refit, RefitInputs
from tests.worlds.process import wait_for

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SLEEP = "import os,time; open('pid','w').write(str(os.getpid())); time.sleep(600)"
SINCE = Reason.from_text("since then")


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[ProcessRunner]:
    found = ProcessRunner(tmp_path / "state")
    yield found
    found.stop(10)


def _command(base: Path, text: str, timeout: timedelta = timedelta(minutes=1)) -> Work:
    action = Action.model_validate(
        {"name": "run", "kind": "command", "command": (sys.executable, "-c", text), "timeout": timeout}
    )
    return action_work("0123456789ab", "m", Delivery(action, {"model": "m"}, "0123456789ab", 1, NOW, base))


def _refit(n: int = 4_000, timeout: timedelta = timedelta(hours=1)) -> Work:
    rng = np.random.default_rng(1)
    logit = rng.normal(0.5, 1.5, n)
    samples = Samples(
        score=1 / (1 + np.exp(-logit)), outcome=(rng.random(n) < 1 / (1 + np.exp(-logit / 3))).astype(float), logits=None,
        label_index=None, group=None, observed_at=np.arange(n, dtype=float), slice_index=np.zeros(n, dtype=np.int64),
    )  # fmt: skip
    model = Model.model_validate(
        {
            "name": "m", "task": Task.BINARY, "source": [{"path": "in/*"}],
            "recalibration": {"method": "temperature", "timeout": timeout},
        }
    )  # fmt: skip
    return refit_work("abcdef012345", RefitInputs(model, Slice(), samples, (Slice(),), {}, NOW, (SINCE,)))


def _report(runner: ProcessRunner) -> WorkResult:
    found: list[WorkResult] = []

    def ended() -> bool:
        found.extend(runner.take_finished("m"))
        return bool(found)

    wait_for(ended, "the process to end")
    (report,) = found
    return report


def _pid(base: Path) -> int:
    path = base / "pid"
    wait_for(lambda: path.exists() and path.read_text("utf-8") != "", "the command to start")
    return int(path.read_text("utf-8"))


def _gone(number: int) -> Callable[[], bool]:
    def gone() -> bool:
        try:
            os.kill(number, 0)
        except ProcessLookupError:
            return True
        return "Z" in Path(f"/proc/{number}/stat").read_text("utf-8").rpartition(")")[2].split()[0]

    return gone


def test_a_refit_in_a_process_finds_what_one_here_finds(runner: ProcessRunner, tmp_path: Path) -> None:
    work = _refit()
    runner.start(work)
    (running,) = runner.running_work()
    assert (running.task, running.basis, running.notes) == (None, {}, (SINCE,))
    report, here = _report(runner), carry_out_work(work).result
    assert isinstance(report.result, Refit)
    assert isinstance(here, Refit)
    assert report.result.accepted
    assert report.result.artefact == here.artefact
    assert report.seconds is not None
    assert report.peak_memory is not None
    assert report.peak_memory > 20e6
    assert list((tmp_path / "state" / "work").iterdir()) == []
    assert list(runner.running_work()) == []


def test_a_refit_beyond_its_timeout_is_ended_and_not_tried_again(runner: ProcessRunner) -> None:
    runner.start(_refit(timeout=timedelta(milliseconds=1)))
    assert _report(runner).result == Breakdown("timed out after 0s", may_pass=False)


def test_one_cycle_in_the_foreground_waits_for_its_refits_and_ends_those_beyond_their_timeout(tmp_path: Path) -> None:
    runner = PatientRunner(tmp_path / "state")
    try:
        for timeout in (timedelta(hours=1), timedelta(milliseconds=1)):
            work = _refit(timeout=timeout)
            runner.start(work)
            (report,) = runner.take_finished(work.model)  # there at once
            assert isinstance(report.result, Refit if timeout > timedelta(seconds=1) else Breakdown)
        assert isinstance(report.result, Breakdown)
        assert report.result.message.startswith("timed out")
        assert not runner.forget_last_refit(work.model)
    finally:
        runner.stop(patience=5)


def test_a_command_in_a_process_reports_its_output(runner: ProcessRunner, tmp_path: Path) -> None:
    runner.start(_command(tmp_path, "print('hello')"))
    report = _report(runner)
    assert isinstance(report.result, DeliveryResult)
    assert (report.result.done, report.result.output) == (True, "hello\n")


def test_cancelling_ends_the_command_and_reports_nothing(runner: ProcessRunner, tmp_path: Path) -> None:
    runner.start(_command(tmp_path, SLEEP))
    number = _pid(tmp_path)
    runner.cancel("0123456789ab")
    runner.cancel("0123456789ab")  # again, and no harm done
    assert list(runner.running_work()) == []
    wait_for(_gone(number), "the command to be gone")
    wait_for(
        lambda: runner.take_finished("m") == [] and not list((tmp_path / "state" / "work").iterdir()), "clearing away"
    )


def test_a_process_that_is_killed_may_be_tried_again(runner: ProcessRunner, tmp_path: Path) -> None:
    runner.start(_command(tmp_path, SLEEP))
    number = _pid(tmp_path)
    (child,) = runner._children.values()
    os.kill(child.process.pid, signal.SIGKILL)
    result = _report(runner).result
    assert isinstance(result, Breakdown)
    assert (result.may_pass, result.message) == (True, "its process was killed by SIGKILL: out of memory?")
    os.kill(number, signal.SIGKILL)


def test_work_left_by_a_killed_calwatch_is_cleared_away(tmp_path: Path) -> None:
    left = tmp_path / "state" / "work" / "job-x"
    left.mkdir(parents=True)
    (left / "work").write_bytes(b"inputs")
    runner = ProcessRunner(tmp_path / "state")
    assert left.exists()  # of a daemon that runs, for all we know until the database is held
    runner.clear_leftovers()
    assert not left.exists()


def test_of_jobs_left_by_a_killed_calwatch_those_with_a_process_had_begun(tmp_path: Path) -> None:
    (tmp_path / "state" / "work" / "abc-123-x_y").mkdir(parents=True)
    runner = ProcessRunner(tmp_path / "state")
    runner.clear_leftovers()
    assert runner.had_begun("abc-123")
    assert not runner.had_begun("waited")


def test_a_job_that_waits_for_its_lane_has_not_begun(runner: ProcessRunner, tmp_path: Path) -> None:
    for job in ("one", "two"):
        runner.start(replace(_command(tmp_path, SLEEP), job=job))
    assert (runner.had_begun("one"), runner.had_begun("two")) == (True, False)


def test_inputs_are_readable_for_this_user_only(runner: ProcessRunner, tmp_path: Path) -> None:
    runner.start(_command(tmp_path, SLEEP))
    (child,) = runner._children.values()
    assert child.directory.stat().st_mode & 0o077 == 0
    _pid(tmp_path)
