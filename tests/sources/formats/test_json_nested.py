"""JSON Lines whose values lie deeper: dotted paths, and what inference servers of SageMaker, KServe and Seldon log."""

import json

import pytest

from tests.sources.formats.json_texts import cameras, lines, put, without
from tests.worlds.fixtures import MakeWorld
from tests.worlds.store import Row, World, a_row, reasons, unreadable

NESTED = '[[model.source]]\npath = "in/*"\ncolumns = {{ {columns} }}\n'


@pytest.mark.parametrize(
    ("columns", "value", "told"),
    [
        ('camera = "meta"', {"meta": {"camera": "c1"}}, 'column "meta" holds objects or lists; name a value in them, such as '
         'camera = "meta.camera"'),
        ('version = "v1"', {"score": [0.1, 0.9]}, 'such as score = "score.1"'),
        ('version = "model"', {"model": {"name": "m"}}, 'such as version = "model.name"'),
    ],
)  # fmt: skip
def test_a_column_that_holds_objects_comes_with_a_path_to_a_value(
    make_world: MakeWorld, columns: str, value: Row, told: str
) -> None:
    world = make_world(source=NESTED.format(columns=columns))
    put(world, lines({**a_row("a"), **value}))
    (problem,) = world.take().problems
    assert problem.reason == "wrong_type"
    assert told in problem.message


@pytest.mark.parametrize(
    ("own", "value"),
    [
        ("meta.camera", {"meta": {"camera": "c7"}}),
        ("a.b.c.d", {"a": {"b": {"c": {"d": "c7"}}}}),
        ("preds.0.cam", {"preds": [{"cam": "c7"}, {"cam": "c8"}]}),
        ("preds[0].cam", {"preds": [{"cam": "c7"}, {"cam": "c8"}]}),
        ("preds[1]", {"preds": ["c8", "c7"]}),
        ("list.1", {"list": ["c8", "c7"]}),
        ("by.0", {"by": {"0": "c7"}}),
        ("meta.camera", {"meta.camera": "c7", "meta": {"camera": "c8"}}),
        ("meta.camera", {"meta": '{"camera": "c7"}'}),
        ("a.data.meta.0.camera", {"a": {"data": '{"meta": [{"camera": "c7"}]}'}}),
        ("a.data.1", {"a": {"data": "[1, 7]"}}),
        ("a.data.1", {"a": {"data": "1,7"}}),
        ("a.data.1", {"a": {"data": "1, 7\n"}}),
        ("meta.größe x", {"meta": {"größe x": "c7"}}),
    ],
)
def test_a_dotted_path_reaches_into_objects_lists_and_texts_that_hold_json(
    make_world: MakeWorld, own: str, value: Row
) -> None:
    world = make_world(source=NESTED.format(columns=f'camera = "{own}"'))
    put(world, lines({**without(a_row("a"), "camera"), **value}))
    brought = world.take()
    assert unreadable(brought.problems) == []
    assert cameras(world)[0][1] in ("c7", "7")


def test_rows_whose_path_leads_nowhere_lack_the_value_and_no_more(make_world: MakeWorld) -> None:
    world = make_world(source=NESTED.format(columns='camera = "meta.camera"'))
    held: list[Row] = [{"meta": {"camera": "c7"}}, {"meta": None}, {}, {"meta": "no json"}, {"meta": [1]}]
    put(world, lines(*({**without(a_row(str(place)), "camera"), **value} for place, value in enumerate(held))))
    assert unreadable(world.take().problems) == []
    assert [camera for _, camera in cameras(world)] == ["c7", *["__missing__"] * 4]


@pytest.mark.parametrize("own", ["meta.cam", "metadata.camera", "meta.camera.name", "meta.3", "meta[0]"])
def test_a_dotted_path_that_leads_nowhere_is_told_like_a_missing_column(make_world: MakeWorld, own: str) -> None:
    world = make_world(source=NESTED.format(columns=f'camera = "{own}"'))
    put(world, lines({**without(a_row("a"), "camera"), "meta": {"camera": "c1"}}))
    (problem,) = world.take().problems
    assert problem.reason == "missing_slice_column"
    assert f'has no column camera (looked for as "{own}")' in problem.message
    assert 'Perhaps meant: columns = { camera = "meta.camera" }' in problem.message
    required = make_world(source=NESTED.format(columns=f'score = "{own}"'), folder="required")
    put(required, lines({**without(a_row("a"), "score"), "meta": {"probability": 0.5}}))
    (problem,) = required.take().problems
    assert problem.reason == "missing_column"
    assert 'columns = { score = "meta.probability" }' in problem.message


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_mapped_column_that_is_not_there_is_told_and_its_rows_are_taken(make_world: MakeWorld, ending: str) -> None:
    world = make_world(source=NESTED.format(columns='outcome = "verdict.value", version = "model"'))
    row = {**without(a_row("a"), "version", "outcome"), "Model": "v7"}
    path = world.send(row, ending=ending)
    brought = world.take()
    assert (brought.new, reasons(brought.problems)) == (1, ["missing_mapped_column"])
    assert brought.problems[0].message == (
        f'{path}: has no column outcome (looked for as "verdict.value"), version (looked for as "model"); its rows are taken '
        'without. Perhaps meant: columns = { version = "Model" }'
    )


SAGEMAKER = {
    "captureData": {
        "endpointInput": {"observedContentType": "text/csv", "mode": "INPUT", "data": "5.1,3.5", "encoding": "CSV"},
        "endpointOutput": {"observedContentType": "text/csv", "mode": "OUTPUT", "data": "0.13436", "encoding": "CSV"},
    },
    "eventMetadata": {"eventId": "e1", "inferenceId": "x0", "inferenceTime": "2026-03-10T10:00:00Z"},
    "eventVersion": "0",
}

SAGEMAKER_IDS = 'sample_id = "eventMetadata.inferenceId", observed_at = "eventMetadata.inferenceTime"'


@pytest.mark.parametrize(
    ("data", "path", "score"),
    [
        ("0.13436", "", 0.13436),
        ("0.13436\n", "", 0.13436),
        ("0.1,0.9", ".1", 0.9),
        ("[0.1, 0.9]", ".1", 0.9),
        ('{"predictions": [{"score": 0.25, "predicted_label": 0}]}', ".predictions.0.score", 0.25),
        ('{"predictions": [[0.1, 0.9]]}', ".predictions[0][1]", 0.9),
    ],
)
def test_captures_of_sagemaker_are_read(make_world: MakeWorld, data: str, path: str, score: float) -> None:
    columns = f'{SAGEMAKER_IDS}, score = "captureData.endpointOutput.data{path}"'
    world = make_world(source=NESTED.format(columns=columns))
    capture = json.loads(json.dumps(SAGEMAKER))
    capture["captureData"]["endpointOutput"]["data"] = data
    put(world, lines(capture))
    brought = world.take()
    assert reasons(brought.problems) == ["missing_slice_column"]
    assert world.rows("SELECT sample_id, score FROM samples") == [("x0", score)]


def test_ground_truth_of_sagemaker_is_joined(make_world: MakeWorld) -> None:
    labels = '[[model.source]]\nname = "truth"\nholds = "labels"\npath = "labels/*"\ncolumns = {{ {} }}\n'.format(
        'sample_id = "eventMetadata.eventId", outcome = "groundTruthData.data"'
    )
    columns = f'{SAGEMAKER_IDS}, score = "captureData.endpointOutput.data"'
    world = make_world(source=NESTED.format(columns=columns) + labels)
    put(world, lines(SAGEMAKER))
    truth = {
        "groundTruthData": {"data": "1", "encoding": "CSV"},
        "eventMetadata": {"eventId": "x0"},
        "eventVersion": "0",
    }
    (world.base / "labels" / "a.jsonl").write_text(lines(truth))
    assert world.take().labelled == 1


def test_what_sagemaker_packs_as_base64_is_set_aside_and_told(make_world: MakeWorld) -> None:
    columns = f'{SAGEMAKER_IDS}, score = "captureData.endpointOutput.data"'
    world = make_world(source=NESTED.format(columns=columns))
    capture = json.loads(json.dumps(SAGEMAKER))
    capture["captureData"]["endpointOutput"]["data"] = "MC4xMzQzNg=="
    put(world, lines(capture))
    assert world.take().quarantined == {"score_not_a_number": 1}


def test_a_capture_that_is_not_mapped_comes_with_what_may_be_meant(world: World) -> None:
    put(world, lines(SAGEMAKER))
    (problem,) = world.take().problems
    assert problem.reason == "missing_column"
    assert "captureData.endpointOutput.data, " in problem.message
    assert 'observed_at = "eventMetadata.inferenceTime"' in problem.message
    assert 'sample_id = "eventMetadata.eventId" or "eventMetadata.inferenceId"' in problem.message


KSERVE = {
    "specversion": "1.0", "id": "x0", "source": "http://localhost:9081/", "type": "org.kubeflow.serving.inference.response",
    "time": "2026-03-10T10:00:00.123456789Z", "datacontenttype": "application/json", "inferenceservicename": "defects",
    "data": {"predictions": [[0.1, 0.9]]},
}  # fmt: skip

SELDON = {
    "@timestamp": "2026-03-10T10:00:00Z", "RequestId": "x0", "ServingEngine": "seldon",
    "response": {"elements": {"proba": 0.9}, "payload": {"data": {"names": ["proba"], "ndarray": [[0.9]]}, "meta": {}}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("event", "columns"),
    [
        (KSERVE, 'sample_id = "id", observed_at = "time", score = "data.predictions.0.1", camera = "inferenceservicename"'),
        (
            {**KSERVE, "data": '{"predictions": [[0.1, 0.9]]}'},
            'sample_id = "id", observed_at = "time", score = "data.predictions[0][1]", camera = "inferenceservicename"',
        ),
        (
            {**KSERVE, "data": {"outputs": [{"name": "p", "shape": [1, 2], "data": [0.1, 0.9]}]}},
            'sample_id = "id", observed_at = "time", score = "data.outputs.0.data.1", camera = "inferenceservicename"',
        ),
        (
            SELDON,
            'sample_id = "RequestId", observed_at = "@timestamp", score = "response.payload.data.ndarray.0.0", '
            'camera = "ServingEngine"',
        ),
        (
            SELDON,
            'sample_id = "RequestId", observed_at = "@timestamp", score = "response.elements.proba", camera = "ServingEngine"',
        ),
        (
            {"_id": "x0", "_source": SELDON},
            'sample_id = "_id", observed_at = "_source.@timestamp", score = "_source.response.elements.proba", '
            'camera = "_source.ServingEngine"',
        ),
    ],
    ids=range(6),
)  # fmt: skip
def test_events_of_kserve_and_seldon_are_read(make_world: MakeWorld, event: Row, columns: str) -> None:
    world = make_world(source=NESTED.format(columns=columns))
    put(world, lines(event))
    brought = world.take()
    assert unreadable(brought.problems) == []
    assert world.rows("SELECT sample_id, score FROM samples") == [("x0", 0.9)]
