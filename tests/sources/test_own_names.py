"""Names a file may mean by its columns, as a mapping to copy."""

import pytest

from monitor.sources.own_names import proposed, told
from tests.store.builder import World, a_row
from tests.store.conftest import MakeWorld


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
    assert proposed([missing], mapped, found) == proposal


def test_several_are_proposed_in_one_mapping() -> None:
    mapping = proposed(["sample_id", "observed_at", "score"], {}, ["uid", "ts", "prob", "cam"])
    assert mapping == 'columns = { sample_id = "uid", observed_at = "ts", score = "prob" }'


def test_the_missing_are_told_with_what_was_looked_for_and_what_else_would_do() -> None:
    missing = {"sample_id": "", "outcome": "or label"}
    assert told(missing, {"sample_id": "PartNo"}) == 'sample_id (looked for as "PartNo"), outcome (or label)'
    assert told(missing, {"outcome": "ok"}) == 'sample_id, outcome (looked for as "ok"; or label)'


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
