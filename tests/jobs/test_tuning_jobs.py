"""Tunings from request to outcome, over a real store on a simulated clock: of boxes, and of what refits promoted."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.jobs.requests import leave_request
from monitor.jobs.runners import InlineRunner
from monitor.jobs.work import WorkResult
from monitor.model import Job, JobState, Slice
from monitor.model.reasons import Code
from monitor.recalibration.artefacts import artefact_path, read_artefact
from monitor.recalibration.registry import load_path
from monitor.store.thresholds import load_thresholds, threshold_of
from tests.worlds.boxes_line import NOW, Habits, detector_line, detector_section, send_images
from tests.worlds.jobs import ALL, MODEL, ask, calibrator_of, drained, in_charge, read_document
from tests.worlds.jobs import NOW as SOON
from tests.worlds.line import BEGAN, DAY, HOUR, Line, line, write_file

PROMISE = 'policy = "precision>=0.95"\nper = ["predicted_class"]'


def _codes(job: Job) -> list[str]:
    return [reason.code for reason in job.why]


def test_a_promise_of_a_detector_takes_charge_as_an_artefact_with_points(tmp_path: Path) -> None:
    with detector_line(tmp_path, detector_section(PROMISE)) as held:
        send_images(held, 800)
        job = ask(held, NOW, "tune")
        assert job.state is JobState.PROMOTED, job.reasons
        id_ = job.tuned["artefact"]
        assert in_charge(held) == {"all": id_}
        artefact = read_artefact(artefact_path(held.cycle.config.state_dir / "calibrators", "m", id_))
        assert artefact.operating is not None
        (point,) = artefact.operating.points
        assert (point.per, point.class_name, point.nms_iou, point.kept) == ("predicted_class", "cat", 0.5, True)
        assert (artefact.method, artefact.parent, artefact.operating.max_detections) == ("identity", None, 100)
        assert job.tuned["points"] == read_document(held, id_)["operating"]["points"]
        together, own = load_thresholds(held.connection, "m")
        assert (together.threshold, together.kept, together.tuned) == (None, False, True)
        assert (own.threshold, own.nms_iou, own.calibrator) == (point.threshold, 0.5, id_)
        assert own.precision_lower is not None
        assert own.precision_lower >= 0.95
        assert own.fp_per_image is not None
        curve = held.connection.execute(
            "SELECT nms_iou, count(*), count(recall), count(fp_per_image), max(threshold) FROM threshold_curves "
            "WHERE class_name = 'cat' GROUP BY nms_iou ORDER BY nms_iou"
        ).fetchall()
        assert [row[0] for row in curve] == [0.3, 0.5, 0.8]
        assert all(row[1] == row[2] == row[3] == 100 and row[4] <= 1 for row in curve)


def test_deployed_thresholds_are_found_by_class_and_else_pooled(tmp_path: Path) -> None:
    with detector_line(tmp_path, detector_section(PROMISE.replace("0.95", "0.85"))) as held:
        send_images(held, 800)
        job = ask(held, NOW, "tune")
        in_force = load_thresholds(held.connection, "m")
        deciding = [each for each in in_force if each.threshold is not None]
        id_ = str(job.tuned["artefact"])
        points = {each["class"]: each["threshold"] for each in job.tuned["points"]}
        assert points.keys() >= {"cat"}
        for name in ("cat", "dog", "bird"):
            found = threshold_of(Slice.of({"predicted_class": name}), id_, deciding)
            assert found == points.get(name, points.get(""))


def test_rolling_back_takes_points_and_thresholds_back(tmp_path: Path) -> None:
    with detector_line(tmp_path, detector_section(PROMISE)) as held:
        send_images(held, 800)
        first = str(ask(held, NOW, "tune").tuned["artefact"])
        later = NOW + 4 * DAY
        send_images(held, 800, NOW, later, Habits(sureness=3.5))
        second = str(ask(held, later, "tune").tuned["artefact"])
        assert in_charge(held) == {"all": second}
        before = [each.threshold for each in load_thresholds(held.connection, "m")]
        assert ask(held, later + HOUR, "rollback").state is JobState.DONE
        assert in_charge(held) == {"all": first}
        after = load_thresholds(held.connection, "m")
        assert {each.calibrator for each in after} == {first}
        assert [each.threshold for each in after] != before
        assert ask(held, later + 2 * HOUR, "rollback").state is JobState.DONE
        assert in_charge(held) == {}
        assert load_thresholds(held.connection, "m") == ()


@pytest.mark.parametrize(
    ("threshold", "images", "code"),
    [
        (PROMISE.replace("0.95", "0.9999"), 800, Code.TUNE_NOT_PROMISED),
        (PROMISE, 20, Code.TUNE_FEW_IMAGES),
        ('policy = "youden"', 800, Code.TUNE_UNTOLD),
        ('policy = "cost:fp=1,fn=4,prior=0.1"', 800, Code.TUNE_UNTOLD),
    ],
)
def test_what_is_rejected_says_why_and_changes_nothing(threshold: str, images: int, code: Code, tmp_path: Path) -> None:
    with detector_line(tmp_path, detector_section(threshold)) as held:
        send_images(held, images)
        job = ask(held, NOW, "tune")
        assert job.state is JobState.REJECTED
        assert job.verdict is not None
        assert job.verdict.code == code
        assert held.one("SELECT count(*) FROM serving") == 0
        assert held.one("SELECT count(*) FROM thresholds") == 0
        assert held.one("SELECT count(*) FROM threshold_curves") == 0


@pytest.mark.parametrize("policy", ["f1", "fbeta:2", "cost:fp=1,fn=4", "recall>=0.5", "fp_per_image<=0.5"])
def test_every_policy_of_a_detector_is_tuned_once_and_then_is_in_use(policy: str, tmp_path: Path) -> None:
    with detector_line(tmp_path, detector_section(f'policy = "{policy}"')) as held:
        send_images(held, 600)
        assert ask(held, NOW, "tune").state is JobState.PROMOTED
        again = ask(held, NOW + HOUR, "tune")
        assert (again.state, again.verdict and again.verdict.code) == (JobState.REJECTED, Code.TUNE_SAME)
        assert held.one("SELECT count(*) FROM serving") == 1


def test_a_point_that_is_no_better_with_confidence_is_turned_down(tmp_path: Path) -> None:
    with detector_line(tmp_path, detector_section('policy = "f1"')) as held:
        send_images(held, 600)
        first = str(ask(held, NOW, "tune").tuned["artefact"])
        later = NOW + 14 * DAY
        send_images(held, 400, later - 4 * DAY, later)
        job = ask(held, later, "tune")
        assert job.verdict is not None
        assert job.verdict.code in (Code.TUNE_NOT_BETTER, Code.TUNE_SAME)
        assert in_charge(held) == {"all": first}


def test_a_tuned_calibrator_is_the_one_in_charge_with_points(tmp_path: Path) -> None:
    with detector_line(tmp_path, detector_section(PROMISE)) as held:
        send_images(held, 1200, habits=Habits(sureness=4.0, false=3.0))
        fitted = calibrator_of(ask(held, NOW))
        job = ask(held, NOW + HOUR, "tune")
        assert job.state is JobState.PROMOTED, job.reasons
        tuned, base = read_document(held, str(job.tuned["artefact"])), read_document(held, fitted)
        same = ("method", "parameters", "fitted_at", "fit_window", "gate_window", "before", "after", "task", "scope")
        assert {name: tuned[name] for name in same} == {name: base[name] for name in same}
        assert (tuned["parent"], tuned["schema_version"]) == (fitted, 4)
        assert load_path(held.connection, "m", ALL) == [fitted, tuned["id"]]


def test_the_guard_of_a_calibrator_goes_on_when_it_is_tuned_and_takes_back_both(tmp_path: Path) -> None:
    with detector_line(tmp_path, detector_section(PROMISE, recalibration='apply = "monitor"')) as held:
        send_images(held, 1200, habits=Habits(sureness=4.0, false=3.0))
        calibrator_of(ask(held, NOW))
        tuned = ask(held, NOW + HOUR, "tune").tuned["artefact"]
        guards = "SELECT calibrator, parent, state FROM guards"
        assert held.connection.execute(guards).fetchall() == [(tuned, "", "watching")]
        # of other images the calibrator is far off: the guard takes charge away from it, tuned or not
        later = NOW + 3 * DAY
        send_images(held, 1500, NOW + 2 * HOUR, later, Habits(sureness=0.0, false=0.0, twice=0.0))
        tick = held.tick(later, publish=False)
        (rolled,) = [job for job in tick.jobs["m"] if job.kind == "rollback"]
        assert (rolled.details["from"], rolled.details["to"]) == (tuned, "")
        assert in_charge(held) == {}


def test_a_refit_in_the_place_of_a_tuned_calibrator_asks_for_a_tuning(tmp_path: Path) -> None:
    with detector_line(tmp_path, detector_section(PROMISE)) as held:
        send_images(held, 800)
        first = ask(held, NOW, "tune")
        later = NOW + 14 * DAY
        send_images(held, 1200, later - 4 * DAY, later, Habits(sureness=4.0, false=3.0))
        (refit, tuned) = _asked(held, later)
        assert (refit.kind, refit.state) == ("recalibrate", JobState.PROMOTED)
        assert (tuned.kind, tuned.asked_by.name, tuned.asked_by.event) == ("tune", refit.id, "promoted")
        assert tuned.state is JobState.PROMOTED, tuned.reasons
        assert in_charge(held) == {"all": tuned.tuned["artefact"]}
        assert read_document(held, str(tuned.tuned["artefact"]))["parent"] == refit.details["calibrator"]
        assert first.tuned["artefact"] != tuned.tuned["artefact"]


def _asked(held: Line, now: Any) -> list[Job]:
    leave_request(held.cycle.config.state_dir, "m", "recalibrate", ALL, now)
    return drained(held, now)


@pytest.mark.parametrize("policy", ["precision>=0.95", "recall>=0.5", "f1"])
def test_recall_over_truths_is_not_forgotten_when_calwatch_starts_again(policy: str, tmp_path: Path) -> None:
    with detector_line(tmp_path, detector_section(f'policy = "{policy}"')) as held:
        send_images(held, 600)
        assert ask(held, NOW, "tune").state is JobState.PROMOTED
        before = load_thresholds(held.connection, "m")
        curves = held.connection.execute("FROM threshold_curves ORDER BY ALL").fetchall()
    with line(tmp_path, now=NOW) as held:
        assert not held.tick(NOW + HOUR).failed
        assert load_thresholds(held.connection, "m") == before
        assert held.connection.execute("FROM threshold_curves ORDER BY ALL").fetchall() == curves
        assert all(each.recall is not None for each in before)


def test_a_schedule_asks_for_tunings_beside_refits(tmp_path: Path) -> None:
    section = detector_section(f'{PROMISE}\nschedule = "0 3 * * *"', recalibration='schedule = "0 3 * * *"')
    with detector_line(tmp_path, section) as held:
        held.tick(BEGAN, publish=False)
        send_images(held, 800)
        done = drained(held, NOW)
        at = {(job.kind, job.trigger) for job in done}
        assert at == {
            (kind, f"schedule {NOW - DAY + 3 * HOUR:%Y-%m-%dT%H:%M:%S+00:00}") for kind in ("recalibrate", "tune")
        }
        assert [job.kind for job in done] == ["recalibrate", "tune"]
        assert drained(held, NOW + HOUR) == []
        assert held.counted("jobs_total", model="m", kind="tune", outcome="promoted") == 1


def test_images_of_slices_with_a_calibrator_of_their_own_are_left_to_it(tmp_path: Path) -> None:
    with detector_line(tmp_path, detector_section(PROMISE)) as held:
        send_images(held, 1600)
        camera = Slice.of({"camera": "c1"})
        own = ask(held, NOW, "tune", camera)
        assert own.state is JobState.PROMOTED, own.reasons
        assert own.tuned["images"]["later"] == pytest.approx(400, abs=20)
        whole = ask(held, NOW + HOUR, "tune")
        assert Code.SAMPLES_LEFT_TO_CALIBRATORS in _codes(whole)
        assert whole.tuned["images"]["later"] == pytest.approx(400, abs=20)
        assert set(in_charge(held)) == {"all", "camera=c1"}


def test_classes_can_be_tuned_apart(tmp_path: Path) -> None:
    text = detector_section(PROMISE.replace("0.95", "0.85")).replace('["camera"]', '["camera", "predicted_class"]')
    with detector_line(tmp_path, text) as held:
        send_images(held, 800)
        job = ask(held, NOW, "tune", Slice.of({"predicted_class": "cat"}))
        assert [each["class"] for each in job.tuned["points"]] == ["cat"]
        assert job.tuned["without"] == []
        other = ask(held, NOW + HOUR, "tune")
        assert {each["class"] for each in other.tuned.get("points", ())} <= {"dog", ""}


def test_slices_by_size_are_refused_with_the_reason(tmp_path: Path) -> None:
    section = detector_section(PROMISE, matching="nms_iou = [0.5]\nsize = [32, 96]")
    with detector_line(tmp_path, section) as held:
        send_images(held, 200)
        job = ask(held, NOW, "tune", Slice.of({"size": "medium"}))
        assert job.verdict is not None
        assert (job.state, job.verdict.code) == (JobState.REJECTED, Code.TUNE_SPLITS_IMAGES)


def test_without_nms_ious_only_the_score_is_tuned(tmp_path: Path) -> None:
    with detector_line(tmp_path, detector_section(PROMISE, matching="iou = 0.5")) as held:
        send_images(held, 800, habits=Habits(twice=0.02))
        job = ask(held, NOW, "tune")
        assert job.state is JobState.PROMOTED, job.reasons
        assert Code.SUPPRESSION_NOT_TUNED in _codes(job)
        assert {each["nms_iou"] for each in job.tuned["points"]} == {None}
        assert held.one("SELECT count(DISTINCT nms_iou) FROM threshold_curves WHERE nms_iou = 1") == 1


def test_of_more_boxes_than_may_be_taken_whole_images_are_chosen(tmp_path: Path) -> None:
    with detector_line(tmp_path, detector_section('policy = "f1"', recalibration="max_samples = 900")) as held:
        send_images(held, 800)
        job = ask(held, NOW, "tune")
        (chosen,) = [reason for reason in job.why if reason.code == Code.SAMPLES_CHOSEN]
        assert 600 < chosen.values["kept"] <= 900
        assert chosen.values["by"] == "image"
        assert sum(job.tuned["images"].values()) < 400


def test_boxes_that_were_calibrated_without_their_raw_score_leave_their_images_out(tmp_path: Path) -> None:
    with detector_line(tmp_path, detector_section('policy = "f1"')) as held:
        send_images(held, 400)
        send_images(held, 400, calibrator="of ours")
        job = ask(held, NOW, "tune")
        (left,) = [reason for reason in job.why if reason.code == Code.IMAGES_WITHOUT_RAW]
        assert left.values["images"] == pytest.approx(390, abs=20)
        assert sum(job.tuned["images"].values()) == pytest.approx(390, abs=20)


def test_an_image_is_of_the_version_that_its_boxes_say(tmp_path: Path) -> None:
    """As its samples are, whatever the table of images says."""
    with detector_line(tmp_path, detector_section('policy = "f1"')) as held:
        tables = send_images(held, 400, version="v2")
        said = tables["images"] | {"version": np.full(400, "v1", dtype=object)}
        write_file(held.base / "images" / "f001.parquet", said)
        job = ask(held, NOW, "tune")
        assert job.state is JobState.PROMOTED, job.reasons
        assert sum(job.tuned["images"].values()) > 300


def test_drift_evidence_goes_on_when_a_calibrator_is_tuned(tmp_path: Path) -> None:
    section = detector_section(PROMISE, recalibration='apply = "monitor"').replace("rules = []", 'rules = ["default"]')
    with detector_line(tmp_path, section) as held:
        # the scores of these are as sure as they should be
        calm = Habits(sureness=1.0, false=0.0, twice=0.0, missed=0.0)
        send_images(held, 900, habits=calm)
        assert not held.tick(NOW).failed
        before = held.connection.execute("SELECT count(*) FROM evidence_streams WHERE closed IS NULL").fetchall()
        leave_request(held.cycle.config.state_dir, "m", "tune", ALL, NOW + HOUR)
        (tuned,) = [job for job in drained(held, NOW + HOUR) if job.kind == "tune"]
        assert tuned.state is JobState.PROMOTED, tuned.reasons
        send_images(held, 400, NOW + 2 * HOUR, NOW + DAY, calm)
        held.tick(NOW + DAY)
        closed = "SELECT count(*) FROM evidence_streams WHERE closed IS NOT NULL"
        assert held.one(closed) == 0
        assert (
            held.connection.execute("SELECT count(*) FROM evidence_streams WHERE closed IS NULL").fetchall() == before
        )


def test_a_refit_that_promotes_nothing_leaves_tuned_thresholds_alone(tmp_path: Path) -> None:
    with line(tmp_path, MODEL) as held:
        held.arrive(BEGAN, SOON, 3000, temperature=1.0)
        tuned = ask(held, SOON, "tune")
        before = load_thresholds(held.connection, "m")
        job = ask(held, SOON + HOUR)
        assert job.state is JobState.REJECTED
        assert load_thresholds(held.connection, "m") == before
        assert {each.calibrator for each in before} == {tuned.tuned["artefact"]}


def test_a_refit_that_finds_the_promise_of_a_tuning_broken_asks_for_another(tmp_path: Path) -> None:
    with line(tmp_path, MODEL.replace('"f1"', '"precision>=0.8"')) as held:
        held.arrive(BEGAN, SOON, 4000, temperature=0.7)
        assert ask(held, SOON, "tune").state is JobState.PROMOTED
        later = SOON + 15 * DAY
        held.arrive(later - DAY, later, 6000, temperature=2.0)
        jobs = _asked(held, later)
        assert [job.kind for job in jobs] == ["recalibrate", "tune"]
        assert jobs[1].asked_by.name == jobs[0].id


def test_a_tuning_that_began_before_charge_changed_runs_again(tmp_path: Path) -> None:
    class Late(InlineRunner):
        changed = False

        def take_finished(self, model: str) -> list[WorkResult]:
            ended = super().take_finished(model)
            if ended and not Late.changed:
                Late.changed = True
                ended = [replace(each, work=replace(each.work, basis={"all": "another"})) for each in ended]
            return ended

    with line(tmp_path, MODEL) as held:
        held.arrive(BEGAN, SOON, 3000)
        held.cycle.runner = Late()
        job = ask(held, SOON, "tune")
        assert job.state is JobState.PROMOTED
        outcomes = held.connection.execute("SELECT outcome FROM job_log ORDER BY attempt").fetchall()
        assert outcomes == [("outdated",), ("promoted",)]


def test_thresholds_of_a_tuned_calibrator_decide_on_what_it_scored(tmp_path: Path) -> None:
    with line(tmp_path, MODEL.replace("min_samples = 400", 'min_samples = 400\napply = "monitor"')) as held:
        held.arrive(BEGAN, SOON, 3000)
        ask(held, SOON, "tune")
        later = SOON + timedelta(hours=25)
        held.arrive(SOON, later - HOUR, 1500)
        tick = held.tick(later)
        (status,) = tick.published.models
        whole = next(each for each in status.readings if each.slice == ALL and each.window == "24h")
        assert whole.metrics["threshold_precision"] is not None
        assert np.isfinite(whole.metrics["threshold_precision"])
