"""What tables mean: positive class, scores, slices and logits, each from names and values together."""

import random

import pytest

from monitor.cli.guess.columns import sign_of
from monitor.cli.guess.cuts import dimension_name
from tests.cli.guess.meanings import columns, inspection, meaning_of, nannyml, settings, tutorial, unlabelled
from tests.cli.guess.people import Rows, binary, times, top_label
from tests.cli.guess.test_kinds import crops_of_images, of_two_units, percentages


def test_names_of_which_none_is_usual_are_not_guessed_to_be_positive() -> None:
    rows = [{**row, "Verdict": "type A" if row["Verdict"] == "NG" else "type B"} for row in inspection()]
    found = meaning_of(rows)
    assert "positive" not in settings(found)
    (todo,) = found.todo
    assert todo[0] == "positive"
    assert '"type A"' in todo[1]
    assert '"type B"' in todo[1]


@pytest.mark.parametrize(
    ("predicted", "task"), [(("0", "1"), "binary"), (("A", "B"), "binary"), (("ok", "scratch"), "multiclass")]
)
def test_two_labels_beside_two_predictions_by_other_names_are_the_same_two(
    predicted: tuple[str, str], task: str
) -> None:
    rows: Rows = [
        {"id": f"p{n}", "time": at, "score": p, "y_pred": predicted[p > 0.5], "verdict": "defect" if y else "ok"}
        for n, (at, (p, y)) in enumerate(zip(times(300), binary(), strict=True))
    ]
    meaning = meaning_of(rows)
    assert meaning.task.value == task
    assert settings(meaning).get("positive") == ("defect" if task == "binary" else None)


def test_a_usual_name_whose_scores_are_the_lower_ones_is_not_guessed_to_be_positive() -> None:
    rows = [{**row, "Verdict": "OK" if row["Verdict"] == "NG" else "NG"} for row in inspection()]
    found = meaning_of(rows)
    assert "positive" not in settings(found)
    assert [key for key, _ in found.todo] == ["positive"]
    assert "its scores are lower" in found.todo[0][1]


@pytest.mark.parametrize(
    ("name", "sign"),
    [("defect", 1), ("Fail", 1), ("NG", 1), ("not ok", 1), ("not_ok", 1), ("NOK", 1), ("surface anomaly", 1), ("yes", 1),
     ("ok", -1), ("PASS", -1), ("good", -1), ("no defect", -1), ("defect-free", -1), ("no", -1), ("no_finding", 0),
     ("cat", 0), ("3", 0), ("", 0)],
)  # fmt: skip
def test_usual_names_of_the_two_classes(name: str, sign: int) -> None:
    assert sign_of(name) == sign


def test_probabilities_of_three_classes_are_no_score_and_the_remedy_is_told() -> None:
    rng = random.Random(4)
    rows: Rows = []
    for n, at in enumerate(times(100)):
        weights = [rng.random() for _ in range(3)]
        a, b = (round(weight / sum(weights), 4) for weight in weights[:2])
        rows.append(
            {
                "id": n,
                "time": at,
                "prob_a": a,
                "prob_b": b,
                "prob_c": 1 - a - b,
                "pred": "abc"[n % 3],
                "label": "abc"[n % 3],
            }
        )
    found = meaning_of(rows)
    assert found.task.value == "multiclass"
    assert "score" not in columns(found)
    assert found.todo == [
        ("score", '"prob_a", "prob_b", "prob_c" hold a probability for each class; calwatch takes one: map the predicted '
         "class's, greatest(prob_a, prob_b, prob_c): calwatch docs a-column-for-each-class")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (("p_ok", "p_ng"), "p_ng"),
        (("score", "score_negative"), "score"),
        (("prob_1", "prob_0"), "prob_1"),
        (("prob_a", "prob_b"), None),
    ],
)
def test_of_two_probabilities_the_one_of_the_positive_class_is_the_score(
    names: tuple[str, str], chosen: str | None
) -> None:
    rows: Rows = []
    for n, (at, (p, y)) in enumerate(zip(times(300), binary(), strict=True)):
        own, other = (p, round(1 - p, 4)) if chosen in (names[0], None) else (round(1 - p, 4), p)
        rows.append({"id": n, "time": at, names[0]: own, names[1]: other, "y_true": y})
    found = meaning_of(rows)
    assert columns(found).get("score") == chosen
    assert [key for key, _ in found.todo] == ([] if chosen else ["score"])


def test_other_columns_that_could_be_the_score_are_named_beside_it() -> None:
    found = meaning_of([{**row, "score": 0.25, "p_value": 0.5} for row in tutorial()])
    assert columns(found)["score"] == "score"
    assert '"confidence", "p_value" could be one too' in found.roles.reasons["score"]


def test_an_image_in_the_place_of_the_id_is_told_and_taken_for_detection() -> None:
    rows: Rows = [
        {"sample_id": f"img{n // 6}", "observed_at": times(60)[n // 6], "score": p, "outcome": y}
        for n, (p, y) in enumerate(binary(240))
    ]
    found = meaning_of(rows)
    assert found.task.value == "detection"
    assert "sample_id" not in columns(found)
    assert any(key == "sample_id" and "40 values in 240 rows" in what for key, what in found.todo)


@pytest.mark.parametrize(
    ("row", "key", "what"),
    [
        ({"score": "-3.2"}, "score", "does not look like it"),
        ({"score": "0,83"}, "score", "0,83"),
        ({"time": "31.01.2026 14:05"}, "observed_at", ""),
    ],
)
def test_what_calwatch_cannot_read_is_told_and_not_passed_over(row: dict[str, str], key: str, what: str) -> None:
    rows: Rows = [{"id": n, "time": at, "score": p, "outcome": y, **row}
                  for n, (at, (p, y)) in enumerate(zip(times(60), binary(60), strict=True))]  # fmt: skip
    found = meaning_of(rows)
    if what:
        assert any(told == key and what in text for told, text in found.todo)
    else:
        assert found.roles.columns[key].time_shape == "other"


def test_a_file_without_id_time_or_score_says_each() -> None:
    found = meaning_of([{"colour": "red" if n % 2 else "blue"} for n in range(50)])
    assert {key for key, _ in found.todo} >= {"sample_id", "observed_at", "score", "outcome"}


def test_scores_of_the_top_class_without_a_prediction_are_doubted() -> None:
    drawn = zip(times(300), top_label(["defect", "ok"]), strict=True)
    rows: Rows = [{"id": n, "time": at, "score": p, "label": label} for n, (at, (p, _, label)) in enumerate(drawn)]
    found = meaning_of(rows)
    assert any(key == "task" and "map predicted_class" in what for key, what in found.todo)


def test_a_version_a_row_is_told() -> None:
    found = meaning_of([{**row, "version": f"build-{n}"} for n, row in enumerate(nannyml())])
    assert columns(found)["version"] == "version"
    assert [key for key, _ in found.todo] == ["version"]


def test_at_most_three_slices_and_usual_names_first() -> None:
    rows = [{**row, "operator": "ab"[n % 2], "recipe": "abc"[n % 3], "Shift": "ns"[n // 2 % 2], "mood": "xyz"[n // 3 % 3],
             "camera": f"c{n // 5 % 4}"} for n, row in enumerate(unlabelled())]  # fmt: skip
    assert [name for name, _, _ in meaning_of(rows).slices] == ["camera", "shift", "recipe"]


def test_no_slice_of_ids_times_classes_constants_or_what_another_says_already() -> None:
    rows = [
        {**row, "plant": "north", "serial": f"s{n}", "label": "abcd"[n % 4], "label_name": "wxyz"[n % 4],
         "camera": f"c{n % 3}", "camera_name": ("left", "right", "top")[n % 3], "temperature": n % 7}
        for n, row in enumerate(unlabelled())
    ]  # fmt: skip
    assert [name for name, _, _ in meaning_of(rows).slices] == ["camera"]


@pytest.mark.parametrize(
    ("own", "name"),
    [("Camera", "camera"), ("Part No.", "part_no"), ("meta.camera", "camera"), ("job", "job_value"),
     ("2nd line", "slice_2nd_line"), ("label", "label_value"), ("Prüfer", "prufer")],
)  # fmt: skip
def test_a_dimension_has_a_name_that_slices_takes(own: str, name: str) -> None:
    assert dimension_name(own) == name


def test_logits_and_the_order_of_their_classes_are_read_off_the_predictions() -> None:
    rng = random.Random(5)
    names = ["stain", "crack", "dent"]
    rows: Rows = []
    for n, at in enumerate(times(120)):
        logits = [round(rng.gauss(0, 2), 3) for _ in names]
        predicted = names[logits.index(max(logits))]
        rows.append(
            {"id": n, "time": at, "score": 0.8, "pred": predicted, "label": rng.choice(names), "net_logits": logits}
        )
    found = meaning_of(rows)
    assert columns(found)["logits"] == "net_logits"
    assert settings(found)["classes"] == names
    shuffled: Rows = [{**row, "pred": rng.choice(names)} for row in rows]
    assert "classes" not in settings(meaning_of(shuffled))
    assert "classes" in {key for key, _ in meaning_of(shuffled).todo}


def test_probabilities_in_a_list_are_told_from_logits() -> None:
    rows: Rows = [{"id": n, "time": at, "score": 0.7, "pred": n % 3, "label": n % 3, "probs": [0.7, 0.2, 0.1]}
                  for n, at in enumerate(times(60))]  # fmt: skip
    found = meaning_of(rows)
    assert columns(found)["logits"] == "probs"
    assert settings(found)["logits_are"] == "probabilities"


def test_a_column_of_usual_words_that_goes_with_the_scores_is_the_label_whatever_its_name() -> None:
    rows = [{("Ergebnis" if name == "Verdict" else name): value for name, value in row.items()} for row in inspection()]
    found = meaning_of(rows)
    assert columns(found)["label"] == "Ergebnis"
    assert settings(found) == {"positive": "NG"}


@pytest.mark.parametrize(("yes", "no"), [("1", "0"), ("true", "false"), ("yes", "no"), ("ok", "ng")])
def test_two_values_that_do_not_go_with_the_scores_say_nothing_of_what_came_true(yes: str, no: str) -> None:
    rng = random.Random(6)
    found = meaning_of([{**row, "flash": rng.choice([yes, no])} for row in unlabelled()])
    assert not {"label", "outcome"} & columns(found).keys()
    assert [key for key, _ in found.todo] == ["outcome"]


def test_of_two_columns_that_could_be_the_label_none_is_chosen() -> None:
    rows = [{**row, "line_says": row["Verdict"]} for row in inspection()]
    found = meaning_of([{("lab_says" if name == "Verdict" else name): v for name, v in row.items()} for row in rows])
    assert "label" not in columns(found)
    assert any(key == "label" and '"lab_says" or "line_says"' in what for key, what in found.todo)


def test_percentages_of_which_a_part_looks_like_probabilities_are_asked_about() -> None:
    found = meaning_of(of_two_units())
    assert settings(found) == {"score_unit": "percent"}
    ((key, what),) = found.todo
    assert key == "score"
    assert "write all of them alike" in what
    assert meaning_of(percentages()).todo == []


def test_what_says_the_outcome_in_other_words_is_no_slice() -> None:
    rows = [{**row, "station": "scrap" if row["outcome"] else "box"} for row in crops_of_images()]
    assert [name for name, *_ in meaning_of(rows).slices] == []
