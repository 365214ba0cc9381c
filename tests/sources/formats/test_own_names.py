"""Names a file may mean by its columns, as a mapping to copy."""

import pytest

from monitor.sources.column_hints import name_missing, propose_columns
from tests.worlds.fixtures import MakeWorld
from tests.worlds.store import World, a_row, write_parquet


@pytest.mark.parametrize(
    ("missing", "mapped", "found", "proposal"),
    [
        ("sample_id", {"sample_id": "PartNo"}, ["Part No", "score"], 'columns = { sample_id = "Part No" }'),
        ("sample_id", {}, ["Sample-ID", "score"], 'columns = { sample_id = "Sample-ID" }'),
        ("observed_at", {}, ["id", "Timestamp"], 'columns = { observed_at = "Timestamp" }'),
        ("score", {}, ["id", "confidence"], 'columns = { score = "confidence" }'),
        ("camera", {}, ["kamera", "lighting"], 'columns = { camera = "kamera" }'),
        ("predicted_class", {}, ["y_true", "y_pred"], 'columns = { predicted_class = "y_pred" }'),
        ("score", {}, ['a "b"', "weight"], ""),
        ("score", {"raw_score": "prob"}, ["prob"], ""),  # taken already
    ],
)
def test_what_looks_like_the_missing_column_is_proposed_and_nothing_else(
    missing: str, mapped: dict[str, str], found: list[str], proposal: str
) -> None:
    assert propose_columns([missing], mapped, found) == proposal


@pytest.mark.parametrize(
    ("missing", "own"),
    [
        *(("label", own) for own in ("y_true", "gt", "ground_truth", "ground_truth_label", "target", "true_label")),
        *(("predicted_class", own) for own in ("y_pred", "prediction", "predicted_label", "pred_class")),
        *(
            ("score", own)
            for own in ("y_pred_proba", "prediction_proba", "p", "prob_1", "confidence_score", "Probability")
        ),
        *(("outcome", own) for own in ("correct", "is_correct", "hit")),
        *(("camera", own) for own in ("camera_id", "Camera", "cameraName", "meta.camera", "cam", "kamera")),
        ("cam", "camera"),
        ("camera_id", "camera"),
        ("observed_at", "eventMetadata.inferenceTime"),
        ("sample_id", "inferenceId"),
    ],
)
def test_usual_names_are_known(missing: str, own: str) -> None:
    found = ["unrelated", own, "meta.temperature"]
    assert propose_columns([missing], {}, found) == f'columns = {{ {missing} = "{own}" }}'


@pytest.mark.parametrize(
    ("missing", "own"),
    [
        ("score", "scored_by"), ("observed_at", "observer"), ("observed_at", "obsolete_at"), ("label", "lab"),
        ("camera", "camaraderie"), ("camera", "camera_temperature"), ("line", "line_speed"), ("outcome", "income"),
        ("sample_id", "sampling"), ("observed_at", "labelled_at"), ("score", "score_band"), ("shift", "shirt_size"),
    ],
)  # fmt: skip
def test_names_that_are_only_alike_are_not_proposed(missing: str, own: str) -> None:
    assert propose_columns([missing], {}, [own]) == ""


@pytest.mark.parametrize(
    ("missing", "found", "told"),
    [
        ("sample_id", ["id", "image"], 'sample_id = "id" or "image"'),
        ("observed_at", ["created_at", "captured_at"], 'observed_at = "created_at" or "captured_at"'),
        ("score", ["prob_0", "prob_1", "confidence"], 'score = "prob_1" or "confidence"'),
        ("camera", ["camera_id", "camera_name"], 'camera = "camera_id" or "camera_name"'),
        ("camera", ["left.camera", "right.camera"], 'camera = "left.camera" or "right.camera"'),
    ],
)
def test_where_several_may_be_meant_they_are_named_and_none_is_proposed(
    missing: str, found: list[str], told: str
) -> None:
    assert propose_columns([missing], {}, found) == told


def test_one_column_is_not_proposed_for_two() -> None:
    assert propose_columns(["outcome_a", "outcome_b"], {}, ["outcome_c"]) == ""


@pytest.mark.parametrize(
    ("times", "proposal"),
    [
        (["Aufnahme"], 'columns = { observed_at = "Aufnahme" }'),
        (["Aufnahme", "Befund"], ""),
        (["reviewed_at"], ""),
        (["used"], ""),
        ([], ""),
    ],
)
def test_the_only_column_of_times_may_be_when_it_was_observed(times: list[str], proposal: str) -> None:
    assert propose_columns(["observed_at"], {"labelled_at": "used"}, ["x", *times], times) == proposal


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_file_of_another_tool_comes_with_a_mapping_of_all_of_it(world: World, ending: str) -> None:
    row = {"uid": "a", "Aufnahme": "2026-03-10 10:00:00", "y_pred_proba": 0.7, "y_true": 1, "y_pred": 1, "camera": "c1"}
    if ending == "parquet":
        write_parquet(world.base / "in" / "a.parquet", [row], {"Aufnahme": "TIMESTAMP", "y_pred_proba": "DOUBLE"})
    else:
        world.send(row, ending=ending)
    (problem,) = world.take().problems
    assert problem.reason == "missing_column"
    assert (
        'perhaps columns = { sample_id = "uid", observed_at = "Aufnahme", score = "y_pred_proba", label = "y_true", '
        'predicted_class = "y_pred" }'
    ) in problem.message


def test_several_are_proposed_in_one_mapping() -> None:
    mapping = propose_columns(["sample_id", "observed_at", "score"], {}, ["uid", "ts", "prob", "cam"])
    assert mapping == 'columns = { sample_id = "uid", observed_at = "ts", score = "prob" }'


def test_the_missing_are_told_with_what_was_looked_for_and_what_else_would_do() -> None:
    missing = {"sample_id": "", "outcome": "or label"}
    assert name_missing(missing, {"sample_id": "PartNo"}) == 'sample_id (looked for as "PartNo"), outcome (or label)'
    assert name_missing(missing, {"outcome": "ok"}) == 'sample_id, outcome (looked for as "ok"; or label)'


def test_a_missing_slice_column_comes_with_the_one_that_may_be_meant(world: World) -> None:
    row = a_row("a")
    row["kamera"] = row.pop("camera")
    path = world.send(row, ending="csv")
    (problem,) = world.take().problems
    assert problem.message == (
        f"{path}: has no column camera; its rows count under the slice value __missing__. "
        'Perhaps meant: columns = { camera = "kamera" }'
    )


def test_a_file_whose_name_tells_no_format_is_told_once_and_not_as_unfinished(make_world: MakeWorld) -> None:
    world = make_world(source='[[model.source]]\npath = "in/*"\n')
    path = world.base / "in" / "labels.xlsx"
    path.write_bytes(b"PK")
    (problem,) = world.take().problems
    assert problem.message == (
        f"{path}: cannot be read: its name does not tell the format; "
        'set format = "parquet", "csv" or "json"; nothing of the file was taken, it is tried again'
    )
