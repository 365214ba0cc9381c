"""What is wrong in one slice is mended there: refits of the slices around it leave its samples to a refit of its own."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from monitor.config.settings import Model, parse_config
from monitor.jobs.requests import leave_request
from monitor.model import Job, JobState, Slice
from monitor.model.samples import Samples
from monitor.recalibration.gate import judge_candidate
from monitor.recalibration.refit import RefitInputs, run_refit
from tests.worlds.jobs import drained
from tests.worlds.line import BEGAN, DAY, Line, line, model_section
from tests.worlds.reasons import sentences

Stream = Callable[..., Samples]
NOW = datetime(2026, 3, 1, tzinfo=UTC)
CAMERA = Slice.of({"camera": "c1"})
NIGHT = Slice.of({"camera": "c1", "lighting": "night"})
DAYLIGHT = Slice.of({"camera": "c1", "lighting": "day"})


def _model() -> Model:
    return parse_config(model_section(recalibration='method = "temperature"'), "calwatch.toml", Path()).model[0]


def _local(stream: Stream, night: float = 4.0, day: float = 1.0, share: float = 0.5, n: int = 6000) -> Samples:
    """Slice 0 is night and of temperature ``night``, with ``share`` of the samples; slice 1 is day and of ``day``."""
    rng = np.random.default_rng(31)
    samples = stream(rng, n, slices=2)
    at_night = rng.random(n) < share
    logit = np.log(samples.score) - np.log1p(-samples.score)
    outcome = (rng.random(n) < 1 / (1 + np.exp(-logit / np.where(at_night, night, day)))).astype(np.float64)
    index = np.where(at_night, 0, 1).astype(np.int64)
    return Samples(samples.score, outcome, None, None, None, samples.observed_at, index)


def test_trouble_at_night_bends_the_whole_cameras_calibrator_unless_it_stands_apart(stream: Stream) -> None:
    samples, slices = _local(stream, night=4.0, share=0.7), (NIGHT, DAYLIGHT)
    together = run_refit(RefitInputs(_model(), CAMERA, samples, slices, {}, NOW, ()), calwatch_version="1")
    assert together.artefact is not None
    assert float(together.artefact.parameters["temperature"]) > 1.8  # type: ignore[arg-type]  # a number
    left = run_refit(RefitInputs(_model(), CAMERA, samples, slices, {}, NOW, (), apart=(NIGHT,)), calwatch_version="1")
    assert left.artefact is not None
    assert left.artefact.parameters["temperature"] == pytest.approx(1.0, abs=0.15)
    assert not left.accepted
    assert left.artefact.gate_window is not None
    day = int((samples.slice_index == 1).sum())
    assert left.artefact.fit_window.samples + left.artefact.gate_window.samples == day
    assert left.artefact.before["n"] == left.artefact.gate_window.samples


def test_what_is_wrong_everywhere_is_mended_by_what_remains(stream: Stream) -> None:
    samples, slices = _local(stream, night=2.5, day=2.5), (NIGHT, DAYLIGHT)
    found = run_refit(RefitInputs(_model(), CAMERA, samples, slices, {}, NOW, (), apart=(NIGHT,)), calwatch_version="1")
    assert found.accepted, sentences(found)
    assert found.artefact is not None
    assert found.artefact.parameters["temperature"] == pytest.approx(2.5, rel=0.2)


def test_a_calibrator_that_would_harm_the_slice_apart_is_rejected(stream: Stream) -> None:
    samples, slices = (
        _local(stream, night=4.0, day=0.4),
        (NIGHT, DAYLIGHT),
    )  # what sharpens the day makes night worse yet
    found = run_refit(RefitInputs(_model(), CAMERA, samples, slices, {}, NOW, (), apart=(NIGHT,)), calwatch_version="1")
    assert not found.accepted
    assert found.verdict is not None
    assert found.verdict.improvement is not None
    assert found.verdict.improvement.lower > 0
    assert any(
        reason.startswith("rejected: slice camera=c1,lighting=night log-loss worse") for reason in sentences(found)
    )


def test_too_little_besides_what_stands_apart_is_said_with_the_number_that_remains(stream: Stream) -> None:
    samples, slices = _local(stream, share=0.95, n=4000), (NIGHT, DAYLIGHT)
    day = int((samples.slice_index == 1).sum())
    found = run_refit(RefitInputs(_model(), CAMERA, samples, slices, {}, NOW, (), apart=(NIGHT,)), calwatch_version="1")
    assert sentences(found) == (f"rejected: needs 400 labelled samples, has {day:,}; nothing changes",)
    no_say = np.ones(len(samples), dtype=np.bool_)
    verdict = judge_candidate(samples.score, samples.score, samples, [NIGHT.text, DAYLIGHT.text], apart=no_say)
    assert sentences(verdict) == ("rejected: needs 200 later samples, has 0",)


RULES = """
[[rule]]
name = "ece-high"
kind = "threshold"
metric = "ece_lower"
above = 0.05
window = "24h"
min_samples = 150
severity = "ticket"
slices = ["crosses"]
actions = ["recalibrate"]
"""


def _asked(held: Line, scope: Slice, now: datetime) -> dict[Slice, Job]:
    leave_request(held.cycle.config.state_dir, "m", "recalibrate", scope, now)
    tick = held.tick(now, publish=False)
    assert tick.failed == {}
    return {job.scope: job for job in tick.jobs["m"]}


def test_a_refit_of_the_camera_leaves_the_nights_samples_while_their_alert_fires(tmp_path: Path) -> None:
    (tmp_path / "crosses.toml").write_text(RULES, "utf-8")
    with line(tmp_path, model_section(rules="crosses.toml", recalibration='method = "temperature"')) as held:
        now = BEGAN + DAY
        columns = held.arrive(BEGAN, now, 2600, planted={("c1", "night"): 5.0})
        asked = _asked(held, CAMERA, now)
        own = asked[NIGHT]
        assert own.trigger == "rule ece-high"
        assert own.state is JobState.REJECTED, own.reasons  # not enough samples for its gate yet
        found = asked[CAMERA]
        at_c1 = columns["camera"] == "c1"
        night, both = int((at_c1 & (columns["lighting"] == "night")).sum()), int(at_c1.sum())
        assert found.reasons[1] == (
            f"left {night:,} of {both:,} samples to refits of their own, which alerts there ask for: camera=c1,lighting=night"
        )
        assert found.state is JobState.REJECTED, found.reasons
        # once the alert is over, the camera speaks for all of itself again
        later = now + 2 * DAY
        held.arrive(later - DAY, later, 2600)
        found = _asked(held, CAMERA, later)[CAMERA]
        assert held.one("SELECT count(*) FROM alerts WHERE state = 'firing'") == 0
        assert not any("left" in reason for reason in found.reasons)


def test_a_drift_of_all_slices_seen_at_once_is_mended_by_one_calibrator_for_all(tmp_path: Path) -> None:
    (tmp_path / "all.toml").write_text(RULES.replace('["crosses"]', '["all", "marginals", "crosses"]'), "utf-8")
    with line(tmp_path, model_section(rules="all.toml", recalibration='method = "temperature"')) as held:
        held.arrive(BEGAN, BEGAN + DAY, 9000, temperature=3.0)
        jobs = drained(held, BEGAN + DAY)
        assert len(jobs) > 6
        promoted = [job.scope for job in jobs if job.state is JobState.PROMOTED]
        assert promoted[0] == Slice()
        assert len(promoted) <= 2  # eleven more gates, each of which lets luck pass once in twenty


def test_a_drift_of_one_slice_seen_at_once_with_the_slices_around_it_is_mended_there(tmp_path: Path) -> None:
    (tmp_path / "all.toml").write_text(RULES.replace('["crosses"]', '["all", "marginals", "crosses"]'), "utf-8")
    with line(tmp_path, model_section(rules="all.toml", recalibration='method = "temperature"')) as held:
        held.arrive(BEGAN, BEGAN + DAY, 12000, planted={("c1", "night"): 8.0})
        jobs = drained(held, BEGAN + DAY)
        assert {CAMERA, NIGHT} <= {job.scope for job in jobs}
        assert [job.scope for job in jobs if job.state is JobState.PROMOTED] == [NIGHT]
