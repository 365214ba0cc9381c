"""Actions as jobs: tried again, given up, rehearsed, called by rules; over a real store on a simulated clock."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from monitor.jobs.actions.webhook import signature
from monitor.jobs.queue import enqueue_jobs
from monitor.jobs.requests import leave_request
from monitor.jobs.runners import InlineRunner
from monitor.model import JobState
from monitor.model.reasons import Trigger
from monitor.model.refits import job_of
from monitor.store.readings import load_jobs
from tests.jobs.actions.receiver import Receiver
from tests.worlds.jobs import ALL, MODEL, NOW
from tests.worlds.line import BEGAN, DAY, HOUR, line, model_section

ACTION = """
[[action]]
name = "oncall"
kind = "command"
command = ["/bin/sh", "-c", "cat > payload.json; echo $CALWATCH_ATTEMPT >> tries; test -f fixed"]
on = ["firing", "promoted", "failed"]
attempts = 3
"""


def test_an_action_is_tried_again_with_back_off_and_the_same_payload(tmp_path: Path) -> None:
    with line(tmp_path, MODEL, ACTION) as held:
        held.arrive(BEGAN, NOW, 3000, temperature=3.0)
        leave_request(held.cycle.config.state_dir, "m", "recalibrate", ALL, NOW)
        (refit,) = held.tick(NOW, publish=False).jobs["m"]
        (action,) = load_jobs(held.connection, "m", states=(JobState.QUEUED,))
        assert (action.kind, action.trigger, action.attempts) == ("action", f"job {refit.id} promoted", 1)
        assert "exit code 1; tried again in about" in action.reasons[0]
        assert held.tick(NOW + timedelta(seconds=10), publish=False).jobs["m"] == ()
        (tmp_path / "fixed").touch()
        (done,) = held.tick(NOW + timedelta(seconds=60), publish=False).jobs["m"]
        assert (done.id, done.state, done.attempts) == (action.id, JobState.DONE, 2)
        assert (tmp_path / "tries").read_text("utf-8") == "1\n2\n"
        payload = json.loads((tmp_path / "payload.json").read_text("utf-8"))
        assert (payload["event"], payload["job"]["id"]) == ("job.promoted", refit.id)
        log = held.connection.execute(
            "SELECT attempt, outcome FROM job_log WHERE job = $id ORDER BY ALL", {"id": done.id}
        )
        assert log.fetchall() == [(1, "retried"), (2, "done")]
        assert held.counted("jobs_total", model="m", kind="action", outcome="done") == 1


def test_a_webhook_that_fails_twice_gets_the_same_event_a_third_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver = Receiver()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("CALWATCH_TEST_KEY", "signing key")
    action = (
        f'[[action]]\nname = "oncall"\nkind = "webhook"\nurl = "{receiver.url}"\nsecret = "env:CALWATCH_TEST_KEY"\n'
        'on = ["rejected"]\n'
    )
    try:
        with line(tmp_path, MODEL, action) as held:
            receiver.answers = [(503, {"Retry-After": "1200"}, b"busy"), (500, {}, b"worse")]
            leave_request(held.cycle.config.state_dir, "m", "recalibrate", ALL, NOW)
            ticks = [NOW + minutes * timedelta(minutes=1) for minutes in (0, 10, 21, 23, 40)]
            ended = [job for now in ticks for job in held.tick(now, publish=False).jobs["m"]]
        assert [(job.kind, job.state) for job in ended] == [
            ("recalibrate", JobState.REJECTED), ("action", JobState.DONE),
        ]  # fmt: skip
    finally:
        receiver.close()
    assert len(receiver.got) == 3  # not at 10 minutes: it asked for 20
    assert len({body for _, body in receiver.got}) == 1
    assert {headers["idempotency-key"] for headers, _ in receiver.got} == {ended[1].id}
    for (headers, body), tick in zip(receiver.got, (ticks[0], ticks[2], ticks[3]), strict=True):
        assert headers["calwatch-signature"] == signature("signing key", int(tick.timestamp()), body)


def test_an_action_that_never_works_fails_after_its_attempts(tmp_path: Path) -> None:
    with line(tmp_path, MODEL, ACTION) as held:
        held.arrive(BEGAN, NOW, 3000, temperature=3.0)
        leave_request(held.cycle.config.state_dir, "m", "recalibrate", ALL, NOW)
        ended = [job for hour in range(5) for job in held.tick(NOW + hour * HOUR, publish=False).jobs["m"]]
        assert [(job.kind, job.state) for job in ended] == [
            ("recalibrate", JobState.PROMOTED), ("action", JobState.FAILED),
        ]  # fmt: skip
        assert ended[1].reasons[0].endswith("exit code 1 (attempt 3 of 3)")


def test_an_action_gone_from_the_configuration_fails_with_that_reason(tmp_path: Path) -> None:
    with line(tmp_path, MODEL) as held:
        enqueue_jobs(
            held.connection,
            [job_of("m", "action", Trigger("", "x"), ALL, NOW, details={"action": "gone", "payload": {}})],
        )
        (job,) = held.tick(NOW, publish=False).jobs["m"]
        assert job.reasons == ('failed: the configuration has no action "gone" any more',)


def test_a_rehearsal_records_what_would_run_and_runs_nothing(tmp_path: Path) -> None:
    with line(tmp_path, MODEL, ACTION) as held:
        held.cycle.runner = InlineRunner(rehearsal=True)
        held.arrive(BEGAN, NOW, 3000, temperature=3.0)
        leave_request(held.cycle.config.state_dir, "m", "recalibrate", ALL, NOW)
        refit, action = held.tick(NOW, publish=False).jobs["m"]
        assert (refit.state, action.state) == (JobState.PROMOTED, JobState.WOULD_RUN)
        assert action.reasons == ("would run command /bin/sh",)
        assert not (tmp_path / "tries").exists()


def test_rules_call_actions_when_they_fire_and_when_they_resolve(tmp_path: Path) -> None:
    section = model_section(recalibration="min_samples = 100000").replace("min_samples = 400\n", "")
    notify = ACTION.replace('"promoted", "failed"', '"resolved"')
    with line(tmp_path, section, notify) as held:
        pack = (tmp_path / "own.toml").read_text("utf-8")
        (tmp_path / "own.toml").write_text(pack.replace('["recalibrate"]', '["oncall"]').replace("24h", "7d"), "utf-8")
    (tmp_path / "fixed").touch()
    with line(tmp_path) as held:
        held.arrive(BEGAN, NOW, 2000, temperature=6.0)
        fired = held.tick(NOW, publish=False).jobs["m"]
        assert fired
        assert {job.trigger for job in fired} == {"rule ece-high firing"}
        assert len({job.id for job in fired}) == len(fired)
        held.arrive(NOW + 8 * DAY, NOW + 9 * DAY, 2000)
        resolved = held.tick(NOW + 9 * DAY, publish=False).jobs["m"]
        assert {job.trigger for job in resolved} == {"rule ece-high resolved"}
