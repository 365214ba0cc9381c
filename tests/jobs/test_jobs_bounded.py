"""Many refits asked for at once: a few a cycle, the widest scopes first, the rest in the next cycles; people do not wait."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from monitor.config.settings import load_config
from monitor.engine.backtest import play_history
from monitor.jobs.dispatcher import REFITS_A_CYCLE
from monitor.jobs.queue import due_jobs, enqueue_jobs
from monitor.jobs.requests import leave_request
from monitor.model import Job, JobState, Slice
from monitor.model.reasons import Trigger, TriggerKind
from monitor.model.refits import job_of
from monitor.store.readings import load_jobs
from tests.worlds.jobs import ALL, CAMERA, MODEL, NIGHT, NOW
from tests.worlds.line import BEGAN, DAY, HOUR, Line, line, model_section

CAMERAS = tuple(Slice.of({"camera": name}) for name in ("c1", "c2", "c3", "c4", "c5"))
LIGHTINGS = tuple(Slice.of({"lighting": name}) for name in ("day", "night"))
CROSSES = tuple(Slice.of({**camera.as_dict(), **light.as_dict()}) for camera in CAMERAS[:2] for light in LIGHTINGS)


def asked(held: Line, scopes: Sequence[Slice], *, model: str = "m", hours: int = 0) -> None:
    now = NOW + hours * HOUR
    enqueue_jobs(
        held.connection,
        [job_of(model, "recalibrate", Trigger(TriggerKind.RULE, "drift"), scope, now) for scope in scopes],
    )


def ended(held: Line, cycle: int, model: str = "m") -> list[str]:
    """Scopes of the refits that ended in the cycle, in their order."""
    tick = held.tick(NOW + cycle * HOUR, publish=False)
    assert tick.failed == {}
    return [job.scope.text for job in tick.jobs[model] if job.kind == "recalibrate"]


def texts(*scopes: Slice) -> list[str]:
    return [scope.text for scope in scopes]


def queued(held: Line) -> int:
    return len(due_jobs(held.connection, "m", NOW + DAY))


def test_a_cycle_refits_the_widest_scope_alone_and_what_lies_inside_it_in_the_next_ones(tmp_path: Path) -> None:
    with line(tmp_path, MODEL) as held:
        asked(held, [*reversed(CROSSES), *reversed(CAMERAS[:2]), ALL])
        assert ended(held, 0) == ["all"]
        assert ended(held, 1) == texts(*CAMERAS[:2])
        assert queued(held) == 4
        assert ended(held, 2) == texts(*CROSSES[:3])
        assert ended(held, 3) == texts(CROSSES[3])
        assert ended(held, 4) == []
        assert queued(held) == 0
        assert {job.state for job in load_jobs(held.connection, "m")} == {JobState.REJECTED}


def test_scopes_apart_from_each_other_are_refitted_a_few_a_cycle(tmp_path: Path) -> None:
    with line(tmp_path, MODEL) as held:
        asked(held, CAMERAS)
        assert ended(held, 0) == texts(*CAMERAS[:REFITS_A_CYCLE])
        assert ended(held, 1) == texts(*CAMERAS[REFITS_A_CYCLE:])


def test_a_cross_may_go_with_a_scope_that_does_not_hold_it(tmp_path: Path) -> None:
    with line(tmp_path, MODEL) as held:
        asked(held, [CAMERAS[0], CROSSES[0], CROSSES[2]])  # camera c1, and by day cameras c1 and c2
        assert ended(held, 0) == texts(CAMERAS[0], CROSSES[2])
        assert ended(held, 1) == texts(CROSSES[0])


def test_what_is_asked_for_meanwhile_follows_what_waits(tmp_path: Path) -> None:
    with line(tmp_path, MODEL) as held:
        asked(held, CAMERAS)
        assert len(ended(held, 0)) == 3
        asked(held, [ALL, CAMERAS[4]], hours=1)  # the camera waits already
        assert ended(held, 1) == texts(CAMERAS[3], CAMERAS[4], ALL)
        assert ended(held, 2) == []


def test_each_model_has_a_few_of_its_own(tmp_path: Path) -> None:
    with line(tmp_path, MODEL, model_section("second", rules="")) as held:
        for model in ("m", "second"):
            asked(held, CAMERAS, model=model)
        tick = held.tick(NOW, publish=False)
        assert {model: len(jobs) for model, jobs in tick.jobs.items()} == {"m": 3, "second": 3}


def test_what_a_person_asks_for_does_not_wait(tmp_path: Path) -> None:
    with line(tmp_path, MODEL) as held:
        asked(held, [ALL, *CAMERAS])
        leave_request(held.cycle.config.state_dir, "m", "recalibrate", NIGHT, NOW)
        assert ended(held, 0) == texts(ALL, NIGHT)


@pytest.mark.parametrize("scope", [CAMERA, CAMERAS[4]])
def test_a_person_who_asks_for_what_waits_already_hastens_it(tmp_path: Path, scope: Slice) -> None:
    with line(tmp_path, MODEL) as held:
        asked(held, [ALL, *CAMERAS])
        leave_request(held.cycle.config.state_dir, "m", "recalibrate", scope, NOW)
        assert ended(held, 0) == texts(ALL, scope)
        (done,) = (job for job in load_jobs(held.connection, "m") if job.scope == scope)  # asked for twice, done once
        assert (done.trigger, done.state) == ("rule drift", JobState.REJECTED)


def test_a_promoted_wider_calibrator_leaves_the_finer_refits_that_wait_nothing_to_mend(tmp_path: Path) -> None:
    with line(tmp_path, MODEL) as held:
        held.arrive(BEGAN, NOW, 6000, temperature=3.0)
        asked(held, [ALL, *CAMERAS[:2]])
        assert ended(held, 0) == ["all"]
        assert ended(held, 1) == texts(*CAMERAS[:2])
        states = {job.scope.text: job.state for job in load_jobs(held.connection, "m")}
        assert states == {
            "all": JobState.PROMOTED, "camera=c1": JobState.REJECTED, "camera=c2": JobState.REJECTED,
        }  # fmt: skip


def test_a_first_load_of_scores_that_are_off_everywhere_refits_the_whole_in_its_cycle_and_the_rest_in_later_ones(
    tmp_path: Path,
) -> None:
    with line(tmp_path, model_section(rules="default")) as held:
        held.arrive(BEGAN, NOW, 6000, temperature=4.0)
        first = held.tick(NOW + 2 * HOUR, publish=False)
        assert first.failed == {}
        assert [(job.scope.text, job.state) for job in first.jobs["m"]] == [("all", JobState.PROMOTED)]
        waiting = [job.scope for job in due_jobs(held.connection, "m", NOW + 2 * HOUR)]
        assert len(waiting) > 3
        done: list[Job] = []
        for cycle in range(3, 20):
            jobs = held.tick(NOW + cycle * HOUR, publish=False).jobs["m"]
            assert len(jobs) <= REFITS_A_CYCLE
            done += jobs
        scopes = [job.scope for job in done if job.requested_at == NOW + 2 * HOUR]
        assert sorted(scopes) == sorted(waiting)
        assert [scope.order for scope in scopes] == sorted(scope.order for scope in scopes)


def test_a_backtest_is_bounded_alike(tmp_path: Path) -> None:
    with line(tmp_path, model_section(rules="default")) as held:
        held.arrive(BEGAN, NOW, 6000, temperature=4.0)
    config = load_config(tmp_path / "calwatch.toml")
    counts: list[int] = []
    play_history(
        config, tmp_path / "past", NOW + 2 * HOUR, NOW + 12 * HOUR, HOUR,
        each_tick=lambda now, tick: counts.append(sum(job.kind == "recalibrate" for job in tick.jobs["m"])),
    )  # fmt: skip
    assert counts[0] == 1
    assert max(counts) <= REFITS_A_CYCLE
    assert sum(counts) > 4
