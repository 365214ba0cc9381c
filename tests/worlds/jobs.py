"""Jobs asked for by hand and done in one tick, for the tests of jobs."""

import json
from datetime import datetime
from typing import Any

from monitor.jobs.requests import leave_request
from monitor.model import Job, JobState, Slice
from monitor.recalibration.artefacts import artefact_path
from tests.worlds.line import BEGAN, DAY, Line, model_section

NOW = BEGAN + DAY
ALL, CAMERA = Slice(), Slice.of({"camera": "c1"})
NIGHT = Slice.of({"camera": "c1", "lighting": "night"})
MODEL = model_section(rules="", extra='threshold = { policy = "f1" }', recalibration='method = "temperature"')


def ask(held: Line, now: datetime, kind: str = "recalibrate", scope: Slice = ALL, to: str | None = None) -> Job:
    """The finished job of one request, taken up by one tick."""
    leave_request(held.cycle.config.state_dir, "m", kind, scope, now, to=to)
    tick = held.tick(now, publish=False)
    assert tick.failed == {}
    (job,) = tick.jobs["m"]
    return job


def calibrator_of(job: Job) -> str:
    assert job.state is JobState.PROMOTED, job.reasons
    return str(job.details["calibrator"])


def in_charge(held: Line) -> dict[str, str]:
    path = held.cycle.config.state_dir / "calibrators" / "m" / "current.json"
    current: dict[str, str] = json.loads(path.read_text("utf-8"))["current"]
    return current


def read_document(held: Line, id_: str) -> dict[str, Any]:
    """The file of an artefact."""
    path = artefact_path(held.cycle.config.state_dir / "calibrators", "m", id_)
    document: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return document


def two_promotions(held: Line) -> tuple[str, str]:
    """Over-confident traffic, then under-confident traffic; a refit is promoted after each."""
    held.arrive(BEGAN, NOW, 3000, temperature=3.0)
    first = calibrator_of(ask(held, NOW))
    later = NOW + 15 * DAY
    held.arrive(later - DAY, later, 3000, temperature=0.4)
    return first, calibrator_of(ask(held, later))


def drained(held: Line, now: datetime) -> list[Job]:
    """The jobs that end at one time, in their order: cycles one after the other until there is none left."""
    done: list[Job] = []
    while True:
        tick = held.tick(now, publish=False)
        assert tick.failed == {}
        if not tick.jobs["m"]:
            return done
        done += tick.jobs["m"]
