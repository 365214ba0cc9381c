"""Deliveries: several at once, each action with a place of its own, in the order of their alert, never lost to a restart."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor.config.actions import Action
from monitor.jobs.actions.delivery import Delivery
from monitor.jobs.actions.routing import subjects_of
from monitor.jobs.queue import INTERRUPTIONS, LONGEST_PAUSE, begin_attempt, enqueue_jobs
from monitor.jobs.runners import DELIVERIES, PatientRunner, ProcessRunner, _Child
from monitor.jobs.work import Work, action_work
from monitor.model import Job, JobState
from monitor.model.reasons import Trigger, TriggerKind
from monitor.model.refits import job_of
from monitor.store.readings import load_jobs
from tests.jobs.actions.receiver import Receiver
from tests.worlds.jobs import ALL, NOW
from tests.worlds.line import Line, line, model_section
from tests.worlds.process import wait_for

QUIET = model_section(rules="")


def _webhook(name: str, url: str, extra: str = "") -> str:
    return f'[[action]]\nname = "{name}"\nkind = "webhook"\nurl = "{url}"\n{extra}\n'


def _call(
    name: str, *, slice_: str = "all", state: str = "firing", minutes: int = 0, also: tuple[str, ...] = ()
) -> Job:
    alert = {"rule": "r", "version": "v1", "slice": slice_, "state": state}
    payload = {"event": f"alert.{state}", "alert": alert, **({"also": list(also)} if also else {})}
    at = NOW + minutes * timedelta(minutes=1)
    details = {"action": name, "payload": payload}
    return job_of(
        "m", "action", Trigger(TriggerKind.RULE, "r", event=state), ALL, at, details=details, key=f"{name} {slice_}"
    )


def _jobs(held: Line) -> dict[str, Job]:
    return {job.id: job for job in load_jobs(held.connection, "m")}


class _Process:
    """A process that ends when the test says so."""

    def __init__(self) -> None:
        self.returncode: int | None = None
        self.stdin = None

    def poll(self) -> int | None:
        return self.returncode


class _Held(ProcessRunner):
    """Starts processes in name only, and has no thread: the test serves."""

    def _launch(self, work: Work) -> None:
        self._children[work.job] = _Child(replace(work, task=None), _Process(), Path("nowhere"), 0.0)  # type: ignore[arg-type]

    def _attend(self) -> None:
        """Nobody."""

    def under_way(self) -> list[str]:
        return [job for job, child in self._children.items() if child.process.poll() is None]

    def end(self, job: str) -> None:
        self._children[job].process.returncode = 0
        self._serve()


def _work(job: str, action: str, kind: str = "webhook", base: Path = Path()) -> Work:
    keys: dict[str, Any] = {"url": "http://127.0.0.1:9/"} if kind == "webhook" else {"command": ("true",)}
    held = Action.model_validate({"name": action, "kind": kind, **keys})
    return action_work(job, "m", Delivery(held, {}, job, 1, NOW, base))


def test_eight_deliveries_are_under_way_at_once_and_the_next_begins_when_one_ends(tmp_path: Path) -> None:
    runner = _Held(tmp_path)
    for number in range(20):
        runner.start(_work(f"j{number:02}", "oncall"))
    assert runner.under_way() == [f"j{number:02}" for number in range(DELIVERIES)]
    assert len(runner.running_work()) == 20
    runner.end("j03")
    assert runner.under_way()[-1] == f"j{DELIVERIES:02}"


def test_an_endpoint_that_does_not_answer_leaves_a_place_to_every_other_action(tmp_path: Path) -> None:
    runner = _Held(tmp_path)
    for number in range(20):
        runner.start(_work(f"dead{number:02}", "dead"))
    for name in ("page", "ticket"):
        for number in range(3):
            runner.start(_work(f"{name}{number}", name))
    assert runner.under_way()[DELIVERIES:] == ["page0", "ticket0"]
    runner.end("page0")
    runner.end("page1")
    runner.end("ticket0")
    assert runner.under_way()[DELIVERIES:] == ["page2", "ticket1"]


def test_commands_of_one_action_run_one_after_the_other(tmp_path: Path) -> None:
    runner = _Held(tmp_path)
    for number in range(3):
        runner.start(_work(f"c{number}", "retrain", "command"))
    assert runner.under_way() == ["c0"]
    runner.end("c0")
    assert runner.under_way() == ["c1"]


def test_what_waits_can_be_cancelled_and_is_never_begun(tmp_path: Path) -> None:
    runner = _Held(tmp_path)
    for number in range(DELIVERIES + 2):
        runner.start(_work(f"j{number}", "oncall"))
    runner.cancel(f"j{DELIVERIES}")
    runner.end("j0")
    assert f"j{DELIVERIES}" not in {work.job for work in runner.running_work()}
    assert f"j{DELIVERIES + 1}" in runner.under_way()


def test_firing_and_resolved_of_one_alert_have_it_in_common_also_when_told_together() -> None:
    group = _call("chat", slice_="all", also=("camera=c1", "camera=c2"))
    assert subjects_of(group) & subjects_of(_call("chat", slice_="camera=c1", state="resolved"))
    assert not subjects_of(group) & subjects_of(_call("chat", slice_="camera=c3", state="resolved"))
    assert not subjects_of(group) & subjects_of(_call("mail", slice_="all"))


def test_every_delivery_that_is_due_goes_out_in_one_cycle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    receiver = Receiver()
    try:
        with line(tmp_path, QUIET, _webhook("oncall", receiver.url)) as held:
            enqueue_jobs(held.connection, [_call("oncall", slice_=f"camera=c{number}") for number in range(12)])
            assert len(held.tick(NOW, publish=False).jobs["m"]) == 12
            assert {job.state for job in _jobs(held).values()} == {JobState.DONE}
    finally:
        receiver.close()
    assert len({headers["idempotency-key"] for headers, _ in receiver.got}) == 12


def test_resolved_waits_until_firing_of_the_same_alert_has_been_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    receiver = Receiver()
    receiver.answers = [(503, {}, b"busy")]
    try:
        with line(tmp_path, QUIET, _webhook("oncall", receiver.url)) as held:
            firing, resolved = _call("oncall"), _call("oncall", state="resolved", minutes=1)
            other = _call("oncall", slice_="camera=c9", minutes=2)
            enqueue_jobs(held.connection, [firing, resolved, other])
            order = [
                job.id for at in (3, 5, 6) for job in held.tick(NOW + timedelta(minutes=at), publish=False).jobs["m"]
            ]
    finally:
        receiver.close()
    assert order == [other.id, firing.id, resolved.id]


@pytest.mark.parametrize("kind", ["webhook", "command"])
def test_restarts_use_up_no_attempts(tmp_path: Path, kind: str) -> None:
    action = (
        '[[action]]\nname = "oncall"\nkind = "command"\ncommand = ["/bin/true"]\nattempts = 2\n'
        if kind == "command"
        else _webhook("oncall", "http://127.0.0.1:9/", "attempts = 2")
    )
    with line(tmp_path, QUIET, action) as held:
        enqueue_jobs(held.connection, [_call("oncall")])
        now = NOW
        for _ in range(12):
            (job,) = load_jobs(held.connection, "m")
            if job.state is JobState.QUEUED:
                begin_attempt(held.connection, job, now)
            held.cycle.runner = _Held(tmp_path / "apart")  # takes it up, and is gone before it has begun
            held.tick(now, publish=False)
            now += LONGEST_PAUSE * 2
        (job,) = load_jobs(held.connection, "m")
        assert job.state in (JobState.QUEUED, JobState.RUNNING)
        assert job.attempts - job.interruptions <= 1


def _interrupted_often(held: Line, times: int) -> Job:
    (job,) = load_jobs(held.connection, "m")
    begin_attempt(held.connection, replace(job, interruptions=times, attempts=times), NOW)
    apart = held.cycle.config.state_dir / "apart"
    (apart / "work" / f"{job.id}-x").mkdir(parents=True, exist_ok=True)  # its process had been started
    runner = _Held(apart)
    runner.clear_leftovers()
    held.cycle.runner = runner
    held.tick(NOW, publish=False)
    (job,) = load_jobs(held.connection, "m")
    return job


def test_a_command_that_ends_calwatch_each_time_fails_at_last_and_says_why(tmp_path: Path) -> None:
    action = '[[action]]\nname = "oncall"\nkind = "command"\ncommand = ["/bin/true"]\n'
    with line(tmp_path, QUIET, action) as held:
        enqueue_jobs(held.connection, [_call("oncall")])
        job = _interrupted_often(held, INTERRUPTIONS - 2)
        assert (job.state, job.next_attempt_at is not None) == (JobState.QUEUED, True)
        job = _interrupted_often(held, INTERRUPTIONS - 1)
        assert job.state is JobState.FAILED
        assert f"{INTERRUPTIONS} times; it may be what ends calwatch" in job.reasons[0]
        assert held.counted("jobs_total", model="m", kind="action", outcome="failed") == 1


def test_words_are_never_given_up_for_restarts(tmp_path: Path) -> None:
    with line(tmp_path, QUIET, _webhook("oncall", "http://127.0.0.1:9/")) as held:
        enqueue_jobs(held.connection, [_call("oncall")])
        job = _interrupted_often(held, 10 * INTERRUPTIONS)
        assert job.state is JobState.QUEUED
        assert job.next_attempt_at is not None
        assert job.next_attempt_at - NOW <= LONGEST_PAUSE


def test_an_endpoint_that_hangs_holds_up_neither_the_others_nor_the_cycle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    dead, alive = Receiver(), Receiver()
    dead.answers = [(0, {}, b"")] * 3
    with line(tmp_path, QUIET, _webhook("dead", dead.url, 'timeout = "10m"'), _webhook("alive", alive.url)) as held:
        runner = ProcessRunner(held.cycle.config.state_dir)
        held.cycle.runner = runner
        try:
            calls = [_call("dead", slice_=f"camera=c{number}") for number in range(3)]
            enqueue_jobs(held.connection, [*calls, _call("alive"), _call("alive", slice_="camera=c1")])
            assert held.tick(NOW, publish=False).failed == {}
            wait_for(lambda: len(dead.got) == 3 and len(alive.got) == 2, "all to be called")
            wait_for(lambda: len(held.tick(NOW, publish=False).jobs["m"]) >= 0 and _done(held) == 2, "their outcome")
            assert sum(job.state is JobState.RUNNING for job in _jobs(held).values()) == 3
        finally:
            runner.stop(10)
            dead.close()
            alive.close()


def _done(held: Line) -> int:
    return sum(job.state is JobState.DONE for job in _jobs(held).values())


def test_one_cycle_in_the_foreground_delivers_all_before_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    receiver = Receiver()
    with line(tmp_path, QUIET, _webhook("oncall", receiver.url)) as held:
        runner = PatientRunner(held.cycle.config.state_dir)
        held.cycle.runner = runner
        try:
            enqueue_jobs(
                held.connection,
                [_call("oncall", slice_=f"camera=c{n}") for n in range(3)]
                + [_call("oncall", slice_="camera=c0", state="resolved", minutes=1)],
            )
            held.tick(NOW + timedelta(minutes=1), publish=False)
            assert {job.state for job in _jobs(held).values()} == {JobState.DONE}
        finally:
            runner.stop(10)
            receiver.close()
    assert len(receiver.got) == 4
