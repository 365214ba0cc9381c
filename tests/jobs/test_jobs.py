"""Jobs from request to outcome: refused, promoted, rolled back; over a real store on a simulated clock."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.config.settings import load_config
from monitor.jobs.queue import enqueue_jobs
from monitor.jobs.requests import leave_cancellation, leave_request
from monitor.jobs.runners import InlineRunner
from monitor.jobs.work import WorkResult
from monitor.model import Job, JobState
from monitor.model.reasons import BY_HAND
from monitor.model.refits import job_of
from monitor.recalibration.inputs import newest_version
from monitor.recalibration.registry import load_path
from monitor.store.thresholds import load_thresholds
from tests.worlds.jobs import ALL, CAMERA, MODEL, NIGHT, NOW, ask, calibrator_of, in_charge, two_promotions
from tests.worlds.line import BEGAN, DAY, HOUR, line, model_section, traffic, write_file


def test_a_refit_of_too_few_samples_is_rejected_with_both_numbers(tmp_path: Path) -> None:
    with line(tmp_path, MODEL) as held:
        held.arrive(BEGAN, NOW, 399)
        job = ask(held, NOW)
        assert job.state is JobState.REJECTED
        assert job.reasons == (
            "samples since 2026-02-16 00:00 UTC", "rejected: needs 400 labelled samples, has 399; nothing changes",
        )  # fmt: skip
        assert held.one("SELECT count(*) FROM serving") == 0
        assert in_charge(held) == {} if (held.cycle.config.state_dir / "calibrators").exists() else True


def test_a_promotion_writes_the_artefact_current_json_and_the_rows(tmp_path: Path) -> None:
    with line(tmp_path, MODEL) as held:
        held.arrive(BEGAN, NOW, 3000, temperature=3.0)
        job = ask(held, NOW)
        id_ = calibrator_of(job)
        path = held.cycle.config.state_dir / "calibrators" / "m" / f"{id_}.json"
        artefact = json.loads(path.read_text("utf-8"))
        assert artefact["method"] == "temperature"
        assert artefact["parameters"]["temperature"] == pytest.approx(3.0, rel=0.15)
        assert artefact["after"]["log_loss"] < artefact["before"]["log_loss"]
        assert artefact["gate_window"]["start"] > artefact["fit_window"]["end"]
        assert in_charge(held) == {"all": id_}
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
        job = ask(held, NOW)
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
        assert _fit_and_gate(ask(held, NOW, scope=NIGHT)) == night
        job = ask(held, NOW + HOUR, scope=CAMERA)
        assert job.state is JobState.PROMOTED, job.reasons
        assert _fit_and_gate(job) == camera - night
        assert job.reasons[1] == f"left to calibrators of their own: {NIGHT.text}"
        rest = ask(held, NOW + 2 * HOUR)
        assert _fit_and_gate(rest) == 6000 - camera
        assert rest.reasons[1] == f"left to calibrators of their own: {CAMERA.text}, {NIGHT.text}"
        current = in_charge(held)
        assert set(current) >= {NIGHT.text, CAMERA.text}
        foreign = ask(held, NOW + 3 * HOUR, "rollback", CAMERA, to=current[NIGHT.text])
        assert foreign.reasons == (
            f"failed: calibrator {current[NIGHT.text]} is for {NIGHT.text}, not for {CAMERA.text}",
        )


def _fit_and_gate(job: Job) -> int:
    windows: Any = job.details
    return sum(int(windows[name]["samples"]) for name in ("fit", "gate", "thresholds"))


def test_a_rollback_puts_the_previous_calibrator_back_and_then_none(tmp_path: Path) -> None:
    with line(tmp_path, MODEL) as held:
        first, second = two_promotions(held)
        now = NOW + 16 * DAY
        job = ask(held, now, "rollback")
        assert (job.state, job.reasons) == (JobState.DONE, (f"rolled back from {second} to {first}",))
        assert in_charge(held) == {"all": first}
        assert [threshold.calibrator for threshold in load_thresholds(held.connection, "m")] == [first]
    with line(tmp_path / "none", MODEL) as held:
        held.arrive(BEGAN, NOW, 3000, temperature=3.0)
        only = calibrator_of(ask(held, NOW))
        job = ask(held, NOW + HOUR, "rollback")
        assert job.reasons == (f"rolled back from {only} to no calibrator (scores as they come)",)
        assert in_charge(held) == {}
        assert load_thresholds(held.connection, "m") == ()
        refused = ask(held, NOW + 2 * HOUR, "rollback")
        assert refused.state is JobState.FAILED
        assert refused.reasons == ('failed: model "m": no calibrator is in charge of all, nothing to roll back',)
        again = ask(held, NOW + 3 * HOUR, "rollback", to=only)
        assert again.reasons == (f"rolled back from no calibrator to {only}",)
        assert in_charge(held) == {"all": only}


def test_rollbacks_repeated_walk_further_back_and_a_promotion_begins_from_there(tmp_path: Path) -> None:
    with line(tmp_path, MODEL) as held:
        first, second = two_promotions(held)
        now = NOW + 16 * DAY
        assert ask(held, now, "rollback").reasons == (f"rolled back from {second} to {first}",)
        assert ask(held, now + HOUR, "rollback").reasons == (
            f"rolled back from {first} to no calibrator (scores as they come)",
        )
        assert ask(held, now + 2 * HOUR, "rollback").state is JobState.FAILED
        assert ask(held, now + 3 * HOUR, "rollback", to=second).state is JobState.DONE
        assert ask(held, now + 4 * HOUR, "rollback", to=first).state is JobState.DONE
        assert load_path(held.connection, "m", ALL) == [second, first]
        assert ask(held, now + 5 * HOUR, "rollback").reasons == (f"rolled back from {first} to {second}",)
        assert load_path(held.connection, "m", ALL) == [second]


def test_a_refit_whose_rival_changed_meanwhile_is_judged_again(tmp_path: Path) -> None:
    class Slow(InlineRunner):
        """Reports nothing until it is told to."""

        silent = True

        def take_finished(self, model: str) -> list[WorkResult]:
            return [] if self.silent else super().take_finished(model)

    with line(tmp_path, MODEL) as held:
        two_promotions(held)
        held.cycle.runner = runner = Slow()
        state, now = held.cycle.config.state_dir, NOW + 16 * DAY
        leave_request(state, "m", "recalibrate", ALL, now)
        assert held.tick(now, publish=False).jobs["m"] == ()
        assert held.one("SELECT count(*) FROM jobs WHERE state = 'running'") == 1
        leave_request(state, "m", "rollback", ALL, now)
        (rolled,) = held.tick(now + HOUR, publish=False).jobs["m"]  # at once, though a refit runs
        assert (rolled.kind, rolled.state) == ("rollback", JobState.DONE)
        runner.silent = False
        (job,) = held.tick(now + 2 * HOUR, publish=False).jobs["m"]
        log = held.connection.execute("SELECT outcome, attempt FROM job_log WHERE job = $id", {"id": job.id}).fetchall()
        assert log == [("outdated", 1), (job.state.value, 1)]


def test_no_more_refits_run_at_once_than_configured(tmp_path: Path) -> None:
    class Busy(InlineRunner):
        """Never ends."""

        def take_finished(self, model: str) -> list[WorkResult]:
            return []

    with line(tmp_path, MODEL, model_section("second", rules="")) as held:
        held.cycle.runner = Busy()
        for model in ("m", "second"):
            for scope in (ALL, CAMERA):
                leave_request(held.cycle.config.state_dir, model, "recalibrate", scope, NOW)
        for _ in range(2):
            assert held.tick(NOW, publish=False).failed == {}
            found = held.connection.execute("SELECT model, scope FROM jobs WHERE state = 'running'").fetchall()
            assert found == [("m", ALL.text)]


def test_a_cancelled_job_does_not_run(tmp_path: Path) -> None:
    with line(tmp_path, MODEL) as held:
        held.arrive(BEGAN, NOW, 3000, temperature=3.0)
        job = job_of("m", "recalibrate", BY_HAND, ALL, NOW)
        enqueue_jobs(held.connection, [job])
        leave_cancellation(held.cycle.config.state_dir, "m", job.id)
        (cancelled,) = held.tick(NOW, publish=False).jobs["m"]
        assert (cancelled.id, cancelled.state) == (job.id, JobState.CANCELLED)
        assert held.one("SELECT count(*) FROM serving") == 0
        assert not list((held.cycle.config.state_dir / "requests").iterdir())


def test_a_rollback_to_an_id_takes_that_one_and_refuses_strangers(tmp_path: Path) -> None:
    with line(tmp_path, MODEL) as held:
        first, second = two_promotions(held)
        now = NOW + 16 * DAY
        for to in ("0123456789abcdef", f"../m/{first}"):
            refused = ask(held, now, "rollback", to=to)
            assert refused.reasons == (f'failed: model "m": no calibrator {to} was ever promoted',)
            now += HOUR
        elsewhere = ask(held, now, "rollback", CAMERA, to=first)
        assert elsewhere.reasons == (
            'failed: model "m": no calibrator is in charge of camera=c1, nothing to roll back',
        )  # fmt: skip
        assert in_charge(held) == {"all": second}
        assert ask(held, now + HOUR, "rollback", to=first).state is JobState.DONE
        assert in_charge(held) == {"all": first}


def test_rows_without_a_raw_score_are_left_out_with_the_reason_and_pre_counted_ones_are_not(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    with line(tmp_path, MODEL) as held:
        columns = traffic(rng, "one", BEGAN, NOW, 3000, temperature=3.0)
        columns["n"] = np.where(np.arange(3000) < 40, 7, 1).astype(np.int64)
        columns["positives"] = columns["outcome"].astype(np.int64)
        columns["calibrator"] = np.where(np.arange(3000) >= 2970, "elsewhere", "").astype(object)
        columns["raw_score"] = np.ma.masked_array(columns["score"], mask=np.arange(3000) >= 2970)
        write_file(tmp_path / "in" / "one.parquet", columns)
        job = ask(held, NOW)
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
        assert _fit_and_gate(ask(held, NOW)) == 700


def test_a_refit_goes_back_no_further_than_the_fit_window(tmp_path: Path) -> None:
    section = MODEL.replace('method = "temperature"', 'method = "temperature"\nfit_window = "24h"')
    with line(tmp_path, section) as held:
        held.arrive(BEGAN, NOW, 800, temperature=3.0)
        held.arrive(NOW, NOW + DAY, 900, temperature=3.0)
        assert _fit_and_gate(ask(held, NOW + DAY)) == 900
    assert load_config(tmp_path / "calwatch.toml").model[0].recalibration.fit_window == DAY
