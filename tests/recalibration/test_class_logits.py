"""From rows with a column logits to a calibrator: classes in another order, probabilities, and what is neither."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from scipy.special import expit, softmax

from monitor.config.settings import Model, parse_config
from monitor.model import Slice
from monitor.model.reasons import BY_HAND
from monitor.model.refits import job_of
from monitor.recalibration.artefact_schema import artefact_schema
from monitor.recalibration.artefacts import Artefact, read_artefact, write_artefact, write_current
from monitor.recalibration.calibrators import Calibrator, OnProbabilities, Temperature, Vector
from monitor.recalibration.inputs import gather_inputs
from monitor.recalibration.onnx import export_onnx
from monitor.recalibration.refit import Refit, RefitInputs, run_refit
from monitor.recalibration.registry import load_promoted, record_artefact, take_charge
from monitor.store.connection import make_naive, open_live
from monitor.store.scores.logits import RAW_UNTIL
from monitor.store.source_facts import store_fact
from tests.recalibration.examples import EVERY_METHOD
from tests.recalibration.test_artefacts import ARTEFACT
from tests.recalibration.test_reference_apply import CALIBRATED
from tests.worlds.reasons import sentences
from tests.worlds.store import NOW, World, write_json_lines

Floats = NDArray[np.float64]
Make = Callable[..., World]
PARTS = ("crack", "dent", "scratch", "stain")
ON_LOGITS = [name for name, each in EVERY_METHOD.items() if each.needs_logits]


def model_of(base: Path, classes: tuple[str, ...], method: str, source: str, task: str) -> Model:
    text = (
        f'[[model]]\nname = "m"\ntask = "{task}"\nclasses = {json.dumps(list(classes))}\n'
        f'[[model.source]]\npath = "in/*"\n{source}\n[model.recalibration]\nmethod = "{method}"\nmin_samples = 300\n'
    )
    return parse_config(text, "calwatch.toml", base).model[0]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """A world with 1,500 labelled rows of an over-confident reader of parts (T = 2), as ``change`` says they are logged."""
    made: list[World] = []

    def world(
        change: Callable[[dict[str, Any]], Any] | None = None, head: Callable[[Floats], Floats] | None = None,
        classes: tuple[str, ...] = PARTS, method: str = "auto", source: str = "", task: str = "multiclass", n: int = 1500,
    ) -> World:  # fmt: skip
        rng = np.random.default_rng(11)
        z = rng.normal(0, 4, (n, len(PARTS)))
        label = (softmax(z / 2, axis=1).cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(max=len(PARTS) - 1)
        logged = z if head is None else head(z)
        rows: list[dict[str, Any]] = []
        for place in range(n):
            row: dict[str, Any] = {
                "sample_id": f"s{place}", "observed_at": str(make_naive(NOW - timedelta(minutes=3 * (n - place)))),
                "score": float(softmax(z[place]).max()), "label": PARTS[label[place]],
                "predicted_class": PARTS[z[place].argmax()], "logits": logged[place].tolist(),
            }  # fmt: skip
            if change is not None:
                change(row)
            rows.append(row)
        (tmp_path / "in").mkdir()
        write_json_lines(tmp_path / "in" / "a.jsonl", rows)
        made.append(
            World(tmp_path, model_of(tmp_path, classes, method, source, task), open_live(tmp_path / "state", now=NOW))
        )
        assert made[-1].take().new == n
        return made[-1]

    yield world
    for each in made:
        each.connection.close()


def task_of(world: World) -> RefitInputs:
    job = job_of("m", "recalibrate", BY_HAND, Slice(), NOW)
    return gather_inputs(world.store(), job, NOW, NOW)


def refitted(world: World) -> Refit:
    return run_refit(task_of(world), calwatch_version="1")


def artefact_of(found: Refit) -> Artefact:
    assert found.accepted, sentences(found)
    assert found.artefact is not None
    return found.artefact


def test_with_logits_in_the_order_of_their_classes_the_job_says_how_many_agree(make: Make) -> None:
    found = refitted(make())
    assert sentences(found)[0] == "predicted_class is the class of the largest logit in 100 % of 1,500 samples"
    artefact = artefact_of(found)
    assert (artefact.parameters["multiclass"], artefact.logits_are) == (True, "logits")
    assert artefact.parameters["temperature"] == pytest.approx(2.0, rel=0.15)


SCRAMBLED = ("scratch", "dent", "stain", "crack")


@pytest.mark.parametrize("method", ["auto", "temperature"])
def test_with_classes_in_another_order_scores_are_fitted_and_the_job_says_why(make: Make, method: str) -> None:
    found = refitted(make(classes=SCRAMBLED, method=method))
    assert sentences(found)[0].startswith("logits are not used: predicted_class is the class of the largest logit in ")
    assert 'set classes = ["crack", "dent", "scratch", "stain"], which is sorted alphabetically' in sentences(found)[0]
    artefact = artefact_of(found)
    assert not artefact.calibrator.needs_logits
    assert artefact.after["ece"] < 0.5 * artefact.before["ece"]  # type: ignore[operator]  # both known


def test_with_classes_in_another_order_vector_asked_for_by_name_is_refused_with_the_reason(make: Make) -> None:
    found = refitted(make(classes=SCRAMBLED, method="vector"))
    assert not found.accepted
    (said,) = sentences(found)
    assert said.startswith(
        "rejected: vector cannot be fitted: vector scaling needs logits and the true class of every sample: "
    )
    assert 'set classes = ["crack", "dent", "scratch", "stain"]' in said


def test_a_calibrator_on_logits_in_charge_goes_on_being_compared_when_the_order_is_found_wrong(make: Make) -> None:
    world = make(classes=SCRAMBLED)
    calibrator = Temperature(0.5, multiclass=True)
    used = replace(ARTEFACT, model="m", scope=Slice(), method="temperature", parameters=calibrator.parameters())
    record_artefact(world.connection, used)
    take_charge(world.connection, "m", Slice(), used.id, NOW - timedelta(days=9))
    found = refitted(world)
    assert sentences(found)[0].startswith("logits are not used: ")
    assert artefact_of(found).parent == used.id


def test_where_no_predicted_class_is_logged_right_predictions_tell_the_order(make: Make) -> None:
    def change(row: dict[str, Any]) -> None:
        row["outcome"] = int(row["label"] == row.pop("predicted_class"))

    assert sentences(refitted(make(change, classes=SCRAMBLED)))[0].startswith(
        "logits are not used: predicted_class is "
    )


def test_where_no_predicted_class_is_logged_and_the_order_is_right_logits_are_used(make: Make) -> None:
    def change(row: dict[str, Any]) -> None:
        row["outcome"] = int(row["label"] == row.pop("predicted_class"))

    assert artefact_of(refitted(make(change))).calibrator.needs_logits


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        ((), 'set classes = ["crack", "dent", "scratch", "stain"], which is sorted alphabetically'),
        (("crack", "dent", "scratch"), "in another order than classes: set classes = "),
    ],
)
def test_classes_that_are_not_named_are_asked_for(make: Make, classes: tuple[str, ...], words: str) -> None:
    assert words in sentences(refitted(make(classes=classes)))[0]


def test_a_label_that_is_no_class_is_named(make: Make) -> None:
    def change(row: dict[str, Any]) -> None:
        if row["sample_id"].endswith("7") and row["label"] != row["predicted_class"]:
            row["label"] = "hole"

    said = sentences(refitted(make(change)))[0]
    assert said == "logits are not used: label says hole, which is none of the 4 classes that have a logit"


@pytest.mark.parametrize(
    ("head", "source", "words"),
    [
        (expit, "", "they lie from 0 to 1, as independent sigmoids or one-hot vectors do"),
        (
            lambda z: np.eye(4)[z.argmax(axis=1)],
            "",
            "they lie from 0 to 1, as independent sigmoids or one-hot vectors do",
        ),
        (lambda z: z[:, :1], "", "there is one number a row"),
        (lambda z: -np.sort(-z, axis=1), "", "the first logit is always the largest"),
    ],
)
def test_vectors_that_are_no_logits_are_not_used(
    make: Make, head: Callable[[Floats], Floats], source: str, words: str
) -> None:
    found = refitted(make(head=head, source=source))
    assert sentences(found)[0].startswith("logits are not used: ")
    assert words in sentences(found)[0]
    assert not artefact_of(found).calibrator.needs_logits


def test_the_configuration_can_say_that_numbers_from_0_to_1_are_logits(make: Make) -> None:
    found = refitted(make(head=lambda z: (z + 20) / 40, source='logits_are = "logits"'))
    assert artefact_of(found).calibrator.needs_logits


def test_a_binary_task_uses_no_logits(make: Make) -> None:
    def change(row: dict[str, Any]) -> None:
        row["outcome"] = int(row["label"] == row["predicted_class"])

    assert sentences(refitted(make(change, task="binary")))[0].startswith(
        "logits are not used: the score of a binary task"
    )


def probabilities(z: Floats) -> Floats:
    """To five digits, as people log them; many are 0."""
    found: Floats = softmax(z, axis=1).round(5)
    return found


@pytest.mark.parametrize("source", ["", 'logits_are = "probabilities"'])
def test_probabilities_are_fitted_on_their_logarithm(make: Make, source: str) -> None:
    found = refitted(make(head=probabilities, source=source))
    artefact = artefact_of(found)
    assert artefact.logits_are == "probabilities"
    assert artefact.parameters["temperature"] == pytest.approx(2.0, rel=0.15)
    assert "the column logits holds probabilities: fitted on their logarithm" in sentences(found)[0]


@pytest.mark.parametrize("method", ["temperature", "vector"])
def test_what_serving_does_with_probabilities_is_what_calwatch_does_with_what_it_stored(
    make: Make, tmp_path: Path, method: str
) -> None:
    world = make(head=probabilities, method=method)
    artefact = artefact_of(refitted(world))
    samples = task_of(world).samples
    expected = artefact.calibrator.apply(samples.score, samples.logits)
    path = write_artefact(tmp_path, artefact)
    assert read_artefact(path) == artefact
    write_current(path.parent, {"all": artefact.id})
    lines = (tmp_path / "in" / "a.jsonl").read_text("utf-8").splitlines()
    served = np.array([json.loads(line)["logits"] for line in lines])
    np.testing.assert_allclose(CALIBRATED(path.parent, {}, samples.score, served), expected, rtol=0, atol=1e-6)
    export_onnx(artefact, tmp_path / "calibrator.onnx", "float")
    session = onnxruntime.InferenceSession(tmp_path / "calibrator.onnx", providers=["CPUExecutionProvider"])
    (found,) = session.run(["calibrated"], {"logits": served.astype(np.float32)})
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    assert session.get_modelmeta().custom_metadata_map["logits_are"] == "probabilities"


def _of_probabilities(calibrator: Calibrator) -> Artefact:
    return replace(
        ARTEFACT,
        scope=Slice(),
        method=calibrator.method,
        parameters=calibrator.parameters(),
        logits_are="probabilities",
    )


@pytest.mark.parametrize("name", ON_LOGITS)
@pytest.mark.parametrize("precision", ["float", "double"])
def test_reference_code_and_graph_take_the_logarithm_of_every_probability(
    tmp_path: Path, name: str, precision: str
) -> None:
    """With zeros, ones, what is below the floor, and one row of zeros alone."""
    calibrator = EVERY_METHOD[name]
    kind = np.float64 if precision == "double" else np.float32
    q = softmax(np.random.default_rng(3).normal(0, 6, (200, 4)), axis=1)
    q[:4] = [[1, 0, 0, 0], [0, 0, 0, 0], [1e-33, 0.5, 0.5, 0], [0.25, 0.25, 0.25, 0.25]]
    q = q.astype(kind).astype(np.float64)
    expected = calibrator.apply(q[:, 0], np.log(np.maximum(q, 1e-30)))
    artefact = _of_probabilities(calibrator)
    path = write_artefact(tmp_path, artefact)
    write_current(path.parent, {"all": artefact.id})
    np.testing.assert_allclose(CALIBRATED(path.parent, {}, q[:, 0], q), expected, rtol=0, atol=1e-12)
    export_onnx(artefact, tmp_path / "c.onnx", "double" if precision == "double" else "float")
    session = onnxruntime.InferenceSession(tmp_path / "c.onnx", providers=["CPUExecutionProvider"])
    (found,) = session.run(["calibrated"], {"logits": np.vstack([q, np.full(4, np.nan)]).astype(kind)})
    np.testing.assert_allclose(found[:-1], expected, rtol=0, atol=1e-12 if precision == "double" else 1e-6)
    assert np.isnan(found[-1])


@pytest.mark.parametrize("name", ON_LOGITS)
def test_an_artefact_of_probabilities_has_a_schema_version_that_older_releases_refuse(
    tmp_path: Path, name: str
) -> None:
    from jsonschema import Draft202012Validator

    artefact = _of_probabilities(EVERY_METHOD[name])
    path = write_artefact(tmp_path, artefact)
    document = json.loads(path.read_text("utf-8"))
    assert (document["schema_version"], document["logits_are"]) == (3, "probabilities")
    validator = Draft202012Validator(artefact_schema())
    validator.validate(document)
    for change in ({"schema_version": 2}, {"schema_version": 1}, {"logits_are": "logits"}, {"logits_are": "both"}):
        assert not validator.is_valid({**document, **change})
    assert not validator.is_valid({key: value for key, value in document.items() if key != "logits_are"})


def test_a_calibrator_on_scores_has_no_logits_to_speak_of(tmp_path: Path) -> None:
    from jsonschema import Draft202012Validator

    path = write_artefact(tmp_path, _of_probabilities(Temperature(2.0)))
    assert not Draft202012Validator(artefact_schema()).is_valid(json.loads(path.read_text("utf-8")))
    with pytest.raises(Exception, match="temperature of scores has no logits"):
        read_artefact(path)


def test_an_artefact_on_logits_is_written_as_before(tmp_path: Path) -> None:
    """So the ids of files that earlier releases wrote stay what they are."""
    path = write_artefact(tmp_path, replace(_of_probabilities(Temperature(2.0, multiclass=True)), logits_are="logits"))
    assert not re.search("logits_are", path.read_text("utf-8"))
    assert read_artefact(path).logits_are == "logits"


@pytest.mark.parametrize(
    "calibrator", [Temperature(0.3, multiclass=True), Vector((3.0, 2.0, 1.0, 2.5), (0.1, 0, 0.2, 0))]
)
def test_a_calibrator_that_took_probabilities_for_logits_goes_on_doing_so(make: Make, calibrator: Calibrator) -> None:
    world = make(head=probabilities)
    old = replace(
        ARTEFACT, model="m", scope=Slice(), method=calibrator.method, parameters=calibrator.parameters(),
        fitted_at=NOW - timedelta(days=3),
    )  # fmt: skip
    new = replace(old, fitted_at=NOW + timedelta(days=1))
    for each in (old, new):
        record_artefact(world.connection, each)
        take_charge(world.connection, "m", Slice(), each.id, NOW)
    store_fact(world.connection, 1, "samples", RAW_UNTIL, NOW.isoformat(), NOW)
    known = load_promoted(world.connection, "m")
    assert known == {old.id: OnProbabilities(calibrator), new.id: calibrator}
    samples = task_of(world).samples
    assert samples.logits is not None
    q = np.exp(samples.logits)
    np.testing.assert_allclose(
        known[old.id].apply(samples.score, samples.logits), calibrator.apply(samples.score, q), rtol=1e-12
    )
    assert (known[old.id].method, known[old.id].parameters()) == (calibrator.method, calibrator.parameters())
