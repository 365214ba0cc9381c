"""Operating points in artefacts: written, read, described by the schema, refused where they are none."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from monitor.model.errors import ArtefactError
from monitor.recalibration.artefact_schema import artefact_schema
from monitor.recalibration.artefacts import Artefact, document_of, read_artefact, read_document, write_artefact
from monitor.recalibration.tuning.operating import DecisionPoint, OperatingPoints
from tests.recalibration.examples import EVERY_METHOD
from tests.recalibration.test_artefacts import ARTEFACT

POINTS = OperatingPoints(
    "precision>=0.95", 0.95, datetime(2026, 3, 5, tzinfo=UTC),
    (DecisionPoint("", "", 0.81, 0.5, False), DecisionPoint("predicted_class", "person", 0.62, None, True)), 100,
)  # fmt: skip
ARTEFACTS = Draft202012Validator(artefact_schema(), format_checker=Draft202012Validator.FORMAT_CHECKER)


def _tuned(name: str = "platt") -> Artefact:
    calibrator = EVERY_METHOD[name]
    return replace(ARTEFACT, method=calibrator.method, parameters=calibrator.parameters(), operating=POINTS)


@pytest.mark.parametrize("name", EVERY_METHOD)
def test_points_come_back_as_they_were_written_with_every_method(tmp_path: Path, name: str) -> None:
    artefact = _tuned(name)
    path = write_artefact(tmp_path, artefact)
    assert read_artefact(path) == artefact
    assert read_document(document_of(artefact), artefact.id) == artefact
    document = json.loads(path.read_text("utf-8"))
    assert document["schema_version"] == 4
    assert [error.message for error in ARTEFACTS.iter_errors(document)] == []


def test_logits_that_are_probabilities_stay_so_with_points(tmp_path: Path) -> None:
    artefact = replace(_tuned("temperature of logits"), logits_are="probabilities") if (
        "temperature of logits" in EVERY_METHOD
    ) else replace(_tuned("vector"), logits_are="probabilities")  # fmt: skip
    assert read_artefact(write_artefact(tmp_path, artefact)) == artefact


def test_points_change_the_id_and_their_lack_leaves_it_as_earlier_releases_have_it() -> None:
    assert "operating" not in document_of(ARTEFACT)
    assert _tuned().id != replace(_tuned(), operating=None).id
    assert replace(_tuned(), operating=replace(POINTS, tuned_at=datetime(2026, 3, 6, tzinfo=UTC))).id != _tuned().id


CHANGES: list[dict[str, Any]] = [
    {"points": []},
    {"points": [{"per": "", "class": "", "threshold": 1.5, "nms_iou": None, "kept": None}]},
    {"points": [{"per": "", "class": "", "threshold": 0.5, "nms_iou": 0, "kept": None}]},
    {"points": [{"per": "", "class": "", "threshold": 0.5, "nms_iou": None, "kept": "yes"}]},
    {"points": [{"per": "", "threshold": 0.5, "nms_iou": None, "kept": None}]},
    {"max_detections": 0},
    {"policy": None},
]


@pytest.mark.parametrize("change", CHANGES)
def test_what_are_no_points_are_refused_by_the_schema_and_by_the_reader(change: dict[str, Any]) -> None:
    held = {**POINTS.as_object, **change}
    document = json.loads(document_of(_tuned())) | {"operating": held}
    assert list(ARTEFACTS.iter_errors(document)) != []
    if change != {"points": []}:
        with pytest.raises((KeyError, TypeError, ValueError)):
            OperatingPoints.from_object(held)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_points_under_an_earlier_schema_version_are_refused(tmp_path: Path, version: int) -> None:
    from monitor.recalibration.artefacts import _id_of

    document = json.loads(document_of(_tuned())) | {"schema_version": version}
    assert list(ARTEFACTS.iter_errors(document)) != []
    del document["id"]
    path = tmp_path / f"{_id_of(document)}.json"
    path.write_text(json.dumps({"id": _id_of(document), **document}), "utf-8")
    with pytest.raises(ArtefactError, match="belongs to schema version 4"):
        read_artefact(path)


def test_times_without_a_zone_are_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        _ = replace(POINTS, tuned_at=datetime(2026, 3, 5)).as_object  # noqa: DTZ001  # that is what is refused
