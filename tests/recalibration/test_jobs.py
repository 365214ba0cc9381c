"""Jobs from request to outcome: refused, promoted, rolled back, crashed; over a real store on a simulated clock."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import monitor.recalibration.charge
import monitor.recalibration.refitting
from monitor.actions.webhook import signature
from monitor.config import load_config
from monitor.errors import StoreError
from monitor.model import Job, JobState, Slice
from monitor.recalibration.queue import enqueue, job_of
from monitor.recalibration.refitting import newest_version
from monitor.recalibration.rollback import promoted_so_far
from monitor.recalibration.runner import InlineRunner
from monitor.recalibration.work import Report
from monitor.requests import leave, leave_cancellation
from monitor.store.rows import load_jobs
from monitor.store.thresholds import load_thresholds
from tests.actions.receiver import Receiver
from tests.e2e.world import BEGAN, DAY, HOUR, Line, line, model_section, traffic, write_file

NOW = BEGAN + DAY
ALL, CAMERA = Slice(), Slice.of({"camera": "c1"})
NIGHT = Slice.of({"camera": "c1", "lighting": "night"})
MODEL = model_section(rules="", extra='threshold = { policy = "f1" }', recalibration='method = "temperature"')


def _ask(held: Line, now: datetime, kind: str = "recalibrate", scope: Slice = ALL, to: str | None = None) -> Job:
    """The finished job of one request, taken up by one tick."""
    leave(held.cycle.config.state_dir, "m", kind, scope, now, to=to)
    tick = held.tick(now, publish=False)
    assert tick.failed == {}
    (job,) = tick.jobs["m"]
    return job


def _calibrator(job: Job) -> str:
    assert job.state is JobState.PROMOTED, job.reasons
    return str(job.details["calibrator"])


def _current(held: Line) -> dict[str, str]:
    path = held.cycle.config.state_dir / "calibrators" / "m" / "current.json"
    current: dict[str, str] = json.loads(path.read_text("utf-8"))["current"]
    return current


def _two_promotions(held: Line) -> tuple[str, str]:
    """Over-confident traffic, then under-confident traffic; a refit is promoted after each."""
    held.arrive(BEGAN, NOW, 3000, temperature=3.0)
    first = _calibrator(_ask(held, NOW))
    later = NOW + 15 * DAY
    held.arrive(later - DAY, later, 3000, temperature=0.4)
    return first, _calibrator(_ask(held, later))


def test_a_refit_of_too_few_samples_is_rejected_with_both_numbers(tmp_path: Path) -> None:
    with line(tmp_path, MODEL) as held:
        held.arrive(BEGAN, NOW, 399)
        job = _ask(held, NOW)
        assert job.state is JobState.REJECTED
        assert job.reasons == (
            "samples since 2026-02-16 00:00 UTC", "rejected: needs 400 labelled samples, has 399; nothing changes",
        )  # fmt: skip
        assert held.one("SELECT count(*) FROM serving") == 0
        assert _current(held) == {} if (held.cycle.config.state_dir / "calibrators").exists() else True


def test_a_promotion_writes_the_artefact_current_json_and_the_rows(tmp_path: Path) -> None:
    with line(tmp_path, MODEL) as held:
        held.arrive(BEGAN, NOW, 3000, temperature=3.0)
        job = _ask(held, NOW)
        id_ = _calibrator(job)
        path = held.cycle.config.state_dir / "calibrators" / "m" / f"{id_}.json"
        artefact = json.loads(path.read_text("utf-8"))
        assert artefact["method"] == "temperature"
        assert artefact["parameters"]["temperature"] == pytest.approx(3.0, rel=0.15)
        assert artefact["after"]["log_loss"] < artefact["before"]["log_loss"]
        assert artefact["gate_window"]["start"] > artefact["fit_window"]["end"]
        assert _current(held) == {"all": id_}
        serving = held.connection.execute("SELECT scope, calibrator, since, until FROM serving").fetchall()
        assert serving == [("all", id_, NOW.replace(tzinfo=None), None)]
        assert held.one("SELECT json_extract(parameters, '$.temperature')::DOUBLE FROM calibrators") == pytest.approx(
            artefact["parameters"]["temperature"]
        )
        (threshold,) = load_thresholds(held.connection, "m")
        assert (threshold.calibrator, threshold.policy) == (id_, "f1")
        assert threshold.threshold == job.details["threshold"]


def test_a_candidate_that_is_no_better_is_rejected_and_nothing_changes(tmp_path: Path) -> None:
    with line(tmp_path, MODEL) as held:
        held.arrive(BEGAN, NOW, 3000)
        job = _ask(held, NOW)
        assert job.state is JobState.REJECTED
        assert any(reason.startswith("rejected: log-loss") for reason in job.reasons)
        assert held.one("SELECT count(*) FROM calibrators") == 0
        # what stays in charge, scores as they come, has a threshold all the same
        assert held.one("SELECT calibrator FROM thresholds") == ""
        assert held.one("SELECT count(*) FROM thresholds_in_force") == 1
        assert not list((held.cycle.config.state_dir / "calibrators").rglob("[0-9a-f]*.json"))


def test_samples_that_a_finer_calibrator_serves_have_no_say_in_a_coarser_refit(tmp_path: Path) -> None:
    with line(tmp_path, MODEL) as held:
        columns = held.arrive(BEGAN, NOW, 6000, planted={("c1", "night"): 4.0, ("c1", "day"): 2.0})
        night = int(((columns["camera"] == "c1") & (columns["lighting"] == "night")).sum())
        camera = int((columns["camera"] == "c1").sum())
        assert _fit_and_gate(_ask(held, NOW, scope=NIGHT)) == night
        job = _ask(held, NOW + HOUR, scope=CAMERA)
        assert job.state is JobState.PROMOTED, job.reasons
        assert _fit_and_gate(job) == camera - night
        assert _fit_and_gate(_ask(held, NOW + 2 * HOUR)) == 6000 - camera
        current = _current(held)
        assert set(current) >= {NIGHT.text, CAMERA.text}
        foreign = _ask(held, NOW + 3 * HOUR, "rollback", CAMERA, to=current[NIGHT.text])
        assert foreign.reasons == (
            f"failed: calibrator {current[NIGHT.text]} is for {NIGHT.text}, not for {CAMERA.text}",
        )


def _fit_and_gate(job: Job) -> int:
    windows: Any = job.details
    return sum(int(windows[name]["samples"]) for name in ("fit", "gate", "thresholds"))


def test_a_rollback_puts_the_previous_calibrator_back_and_then_none(tmp_path: Path) -> None:
    with line(tmp_path, MODEL) as held:
        first, second = _two_promotions(held)
        now = NOW + 16 * DAY
        job = _ask(held, now, "rollback")
        assert (job.state, job.reasons) == (JobState.DONE, (f"rolled back from {second} to {first}",))
        assert _current(held) == {"all": first}
        assert [threshold.calibrator for threshold in load_thresholds(held.connection, "m")] == [first]
    with line(tmp_path / "none", MODEL) as held:
        held.arrive(BEGAN, NOW, 3000, temperature=3.0)
        only = _calibrator(_ask(held, NOW))
        job = _ask(held, NOW + HOUR, "rollback")
        assert job.reasons == (f"rolled back from {only} to no calibrator (scores as they come)",)
        assert _current(held) == {}
        assert load_thresholds(held.connection, "m") == ()
        refused = _ask(held, NOW + 2 * HOUR, "rollback")
        assert refused.state is JobState.FAILED
        assert refused.reasons == ('failed: model "m": no calibrator is in charge of all, nothing to roll back',)
        again = _ask(held, NOW + 3 * HOUR, "rollback", to=only)
        assert again.reasons == (f"rolled back from no calibrator to {only}",)
        assert _current(held) == {"all": only}


def test_rollbacks_repeated_walk_further_back_and_a_promotion_begins_from_there(tmp_path: Path) -> None:
    with line(tmp_path, MODEL) as held:
        first, second = _two_promotions(held)
        now = NOW + 16 * DAY
        assert _ask(held, now, "rollback").reasons == (f"rolled back from {second} to {first}",)
        assert _ask(held, now + HOUR, "rollback").reasons == (
            f"rolled back from {first} to no calibrator (scores as they come)",
        )
        assert _ask(held, now + 2 * HOUR, "rollback").state is JobState.FAILED
        assert _ask(held, now + 3 * HOUR, "rollback", to=second).state is JobState.DONE
        assert _ask(held, now + 4 * HOUR, "rollback", to=first).state is JobState.DONE
        assert promoted_so_far(held.connection, "m", ALL) == [second, first]
        assert _ask(held, now + 5 * HOUR, "rollback").reasons == (f"rolled back from {first} to {second}",)
        assert promoted_so_far(held.connection, "m", ALL) == [second]


def test_a_refit_whose_rival_changed_meanwhile_is_judged_again(tmp_path: Path) -> None:
    class Slow(InlineRunner):
        """Reports nothing until it is told to."""

        silent = True

        def finished(self, model: str) -> list[Report]:
            return [] if self.silent else super().finished(model)

    with line(tmp_path, MODEL) as held:
        _two_promotions(held)
        held.cycle.runner = runner = Slow()
        state, now = held.cycle.config.state_dir, NOW + 16 * DAY
        leave(state, "m", "recalibrate", ALL, now)
        assert held.tick(now, publish=False).jobs["m"] == ()
        assert held.one("SELECT count(*) FROM jobs WHERE state = 'running'") == 1
        leave(state, "m", "rollback", ALL, now)
        (rolled,) = held.tick(now + HOUR, publish=False).jobs["m"]  # at once, though a refit runs
        assert (rolled.kind, rolled.state) == ("rollback", JobState.DONE)
        runner.silent = False
        (job,) = held.tick(now + 2 * HOUR, publish=False).jobs["m"]
        log = held.connection.execute("SELECT outcome, attempt FROM job_log WHERE job = $id", {"id": job.id}).fetchall()
        assert log == [("outdated", 1), (job.state.value, 1)]


def test_no_more_refits_run_at_once_than_configured(tmp_path: Path) -> None:
    class Busy(InlineRunner):
        """Never ends."""

        def finished(self, model: str) -> list[Report]:
            return []

    with line(tmp_path, MODEL, model_section("second", rules="")) as held:
        held.cycle.runner = Busy()
        for model in ("m", "second"):
            for scope in (ALL, CAMERA):
                leave(held.cycle.config.state_dir, model, "recalibrate", scope, NOW)
        for _ in range(2):
            assert held.tick(NOW, publish=False).failed == {}
            found = held.connection.execute("SELECT model, scope FROM jobs WHERE state = 'running'").fetchall()
            assert found == [("m", CAMERA.text)]


def test_a_cancelled_job_does_not_run(tmp_path: Path) -> None:
    with line(tmp_path, MODEL) as held:
        held.arrive(BEGAN, NOW, 3000, temperature=3.0)
        job = job_of("m", "recalibrate", "manual", ALL, NOW)
        enqueue(held.connection, [job])
        leave_cancellation(held.cycle.config.state_dir, "m", job.id)
        (cancelled,) = held.tick(NOW, publish=False).jobs["m"]
        assert (cancelled.id, cancelled.state) == (job.id, JobState.CANCELLED)
        assert held.one("SELECT count(*) FROM serving") == 0
        assert not list((held.cycle.config.state_dir / "requests").iterdir())


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
        leave(held.cycle.config.state_dir, "m", "recalibrate", ALL, NOW)
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
            leave(held.cycle.config.state_dir, "m", "recalibrate", ALL, NOW)
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
        leave(held.cycle.config.state_dir, "m", "recalibrate", ALL, NOW)
        ended = [job for hour in range(5) for job in held.tick(NOW + hour * HOUR, publish=False).jobs["m"]]
        assert [(job.kind, job.state) for job in ended] == [
            ("recalibrate", JobState.PROMOTED), ("action", JobState.FAILED),
        ]  # fmt: skip
        assert ended[1].reasons[0].endswith("exit code 1 (attempt 3 of 3)")


def test_an_action_gone_from_the_configuration_fails_with_that_reason(tmp_path: Path) -> None:
    with line(tmp_path, MODEL) as held:
        enqueue(held.connection, [job_of("m", "action", "x", ALL, NOW, details={"action": "gone", "payload": {}})])
        (job,) = held.tick(NOW, publish=False).jobs["m"]
        assert job.reasons == ('failed: the configuration has no action "gone" any more',)


def test_a_rehearsal_records_what_would_run_and_runs_nothing(tmp_path: Path) -> None:
    with line(tmp_path, MODEL, ACTION) as held:
        held.cycle.runner = InlineRunner(rehearsal=True)
        held.arrive(BEGAN, NOW, 3000, temperature=3.0)
        leave(held.cycle.config.state_dir, "m", "recalibrate", ALL, NOW)
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


def test_a_rollback_to_an_id_takes_that_one_and_refuses_strangers(tmp_path: Path) -> None:
    with line(tmp_path, MODEL) as held:
        first, second = _two_promotions(held)
        now = NOW + 16 * DAY
        for to in ("0123456789abcdef", f"../m/{first}"):
            refused = _ask(held, now, "rollback", to=to)
            assert refused.reasons == (f'failed: model "m": no calibrator {to} was ever promoted',)
            now += HOUR
        elsewhere = _ask(held, now, "rollback", CAMERA, to=first)
        assert elsewhere.reasons == (
            'failed: model "m": no calibrator is in charge of camera=c1, nothing to roll back',
        )  # fmt: skip
        assert _current(held) == {"all": second}
        assert _ask(held, now + HOUR, "rollback", to=first).state is JobState.DONE
        assert _current(held) == {"all": first}


def test_a_rollback_to_a_damaged_artefact_fails_and_the_present_one_stays(tmp_path: Path) -> None:
    with line(tmp_path, MODEL) as held:
        first, second = _two_promotions(held)
        path = held.cycle.config.state_dir / "calibrators" / "m" / f"{first}.json"
        path.write_text(path.read_text("utf-8").replace('"temperature": ', '"temperature": 1'), "utf-8")
        job = _ask(held, NOW + 16 * DAY, "rollback")
        assert job.state is JobState.FAILED
        assert "is damaged or was edited" in job.reasons[0]
        assert str(path) in job.reasons[0]
        assert _current(held) == {"all": second}


def test_a_damaged_file_of_the_calibrator_in_charge_stops_neither_samples_nor_the_way_back(tmp_path: Path) -> None:
    with line(tmp_path, MODEL.replace('method = "temperature"', 'method = "temperature"\napply = "monitor"')) as held:
        held.arrive(BEGAN, NOW, 3000, temperature=3.0)
        id_ = _calibrator(_ask(held, NOW))
        (held.cycle.config.state_dir / "calibrators" / "m" / f"{id_}.json").write_text("{", "utf-8")
        held.arrive(NOW, NOW + HOUR, 100)
        assert held.tick(NOW + HOUR, publish=False).failed == {}
        assert (
            held.one("SELECT count(*) FROM samples JOIN streams USING (stream_id) WHERE calibrator = $id", id=id_)
            == 100
        )
        assert _ask(held, NOW + 2 * HOUR, "rollback").state is JobState.DONE
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
        leave(held.cycle.config.state_dir, "m", "recalibrate", ALL, NOW)
        monkeypatch.setattr(monitor.recalibration.refitting, "record_artefact", cut)
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
        assert _current(held) == {"all": _calibrator(job)}
        assert held.one("SELECT count(*) FROM jobs") == 1


def test_a_crash_between_the_commit_and_current_json_is_put_right_by_the_next_cycle(tmp_path: Path) -> None:
    with line(tmp_path, MODEL) as held:
        held.arrive(BEGAN, NOW, 3000, temperature=3.0)
        id_ = _calibrator(_ask(held, NOW))
        path = held.cycle.config.state_dir / "calibrators" / "m" / "current.json"
        path.unlink()
        (tmp_path / "in" / "trouble.parquet").write_bytes(b"PAR1")
    with line(tmp_path) as held:
        held.tick(NOW + HOUR, publish=False)
        assert _current(held) == {"all": id_}


def test_a_promotion_whose_current_json_cannot_be_written_stays_a_promotion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(directory: Path, current: object) -> Path:
        raise StoreError(f"{directory}/current.json: cannot be written (No space left on device)")

    with line(tmp_path, MODEL) as held:
        held.arrive(BEGAN, NOW, 3000, temperature=3.0)
        leave(held.cycle.config.state_dir, "m", "recalibrate", ALL, NOW)
        monkeypatch.setattr(monitor.recalibration.charge, "write_current", no_space)
        assert "No space left" in held.tick(NOW, publish=False).failed["m"]
        assert held.one("SELECT state FROM jobs") == "promoted"
        monkeypatch.undo()
        assert held.tick(NOW + HOUR, publish=False).failed == {}
        assert _current(held) == {"all": held.one("SELECT calibrator FROM serving")}


def test_rows_without_a_raw_score_are_left_out_with_the_reason_and_pre_counted_ones_are_not(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    with line(tmp_path, MODEL) as held:
        columns = traffic(rng, "one", BEGAN, NOW, 3000, temperature=3.0)
        columns["n"] = np.where(np.arange(3000) < 40, 7, 1).astype(np.int64)
        columns["positives"] = columns["outcome"].astype(np.int64)
        columns["calibrator"] = np.where(np.arange(3000) >= 2970, "elsewhere", "").astype(object)
        columns["raw_score"] = np.ma.masked_array(columns["score"], mask=np.arange(3000) >= 2970)
        write_file(tmp_path / "in" / "one.parquet", columns)
        job = _ask(held, NOW)
        assert job.reasons[1:3] == (
            "left out 30 samples that carry a calibrated score but no raw_score or logits",
            "2,970 rows, some pre-counted, for 3,210 samples in all",
        )  # fmt: skip
        assert _fit_and_gate(job) == 3000 - 30


def test_a_refit_reads_the_newest_version_only(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    with line(tmp_path, MODEL) as held:
        for version, began, n in (("v1", BEGAN, 2000), ("v2", BEGAN + 12 * HOUR, 700)):
            columns = traffic(rng, version, began, began + 12 * HOUR, n, temperature=3.0)
            columns["version"] = np.full(n, version, dtype=object)
            write_file(tmp_path / "in" / f"{version}.parquet", columns)
            held.tick(began + 12 * HOUR, publish=False)
        assert newest_version(held.connection, 1) == "v2"
        assert _fit_and_gate(_ask(held, NOW)) == 700


def test_a_refit_goes_back_no_further_than_the_fit_window(tmp_path: Path) -> None:
    section = MODEL.replace('method = "temperature"', 'method = "temperature"\nfit_window = "24h"')
    with line(tmp_path, section) as held:
        held.arrive(BEGAN, NOW, 800, temperature=3.0)
        held.arrive(NOW, NOW + DAY, 900, temperature=3.0)
        assert _fit_and_gate(_ask(held, NOW + DAY)) == 900
    assert load_config(tmp_path / "calwatch.toml").model[0].recalibration.fit_window == DAY
