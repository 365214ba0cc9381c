"""Guesses of scores in lists and of columns a class, and of the lengths of time that wait for labels."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from monitor.cli.guess.draft import draft_config
from monitor.engine.check.check import check_config
from tests.cli.guess.meanings import columns, meaning_of, settings
from tests.cli.guess.people import Rows, binary, csv_file, json_file, times
from tests.cli.guess.test_draft import guessed, init


def judged(count: int = 300) -> Rows:
    return [
        {"event": {"id": f"e{n}", "at": at}, "model": {"name": "defect", "ver": "2.1"},
         "result": {"scores": [round(1 - p, 4), p]}, "review": {"verdict": "NG" if y else "OK"}}
        for n, (at, (p, y)) in enumerate(zip(times(count), binary(count), strict=True))
    ]  # fmt: skip


def test_of_a_list_of_two_that_sum_to_1_the_second_is_the_score_and_ver_is_the_version() -> None:
    found = columns(meaning_of(judged()))
    assert (found["score"], found["version"]) == ("result.scores.1", "model.ver")


def test_such_a_draft_is_taken_as_it_is(tmp_path: Path) -> None:
    file = json_file(tmp_path / "p.jsonl", judged())
    model = guessed(file, tmp_path)
    assert (model.task, model.positive, model.source[0].columns["score"]) == ("binary", "NG", "result.scores.1")
    found = check_config(tmp_path / "calwatch.toml")
    assert (found.mistakes, found.suspicions) == ([], [])


def test_where_no_score_was_found_nothing_is_said_of_scores() -> None:
    rows: Rows = [{"id": f"x{n}", "time": at, "verdict": "NG" if n % 3 else "OK"} for n, at in enumerate(times(90))]
    found = meaning_of(rows)
    assert found.task.why == '"verdict" holds "NG" and "OK", and no score was found that tells more'
    beside = [{**row, "prediction": row["verdict"]} for row in rows]
    assert "1/2" not in meaning_of(beside).task.why


@pytest.mark.parametrize("size", [3, 10])
def test_columns_a_class_beside_a_score_are_told_as_a_softmax(size: int) -> None:
    rows: Rows = []
    for n, (at, (p, _)) in enumerate(zip(times(200), binary(200), strict=True)):
        each = [p, *[(1 - p) / (size - 1)] * (size - 1)]
        shares = {f"prob_{chr(97 + place)}": value for place, value in enumerate(each)}
        both = f"k{n % size}"
        rows.append({"id": f"x{n}", "time": at, **shares, "confidence": max(each), "pred": both, "truth": both})
    why = meaning_of(rows).roles.reasons["score"]
    assert f'"prob_a" to "prob_{chr(96 + size)}", {size} columns that sum to 1, are a softmax' in why
    assert "calwatch docs a-column-for-each-class" in why


def test_a_list_of_a_softmax_without_a_score_is_told_with_where_to_read_on() -> None:
    rows: Rows = [
        {"id": f"x{n}", "time": at, "scores": [p / 2, p / 2, 1 - p], "pred": f"k{n % 3}", "truth": f"k{n % 3}"}
        for n, (at, (p, _)) in enumerate(zip(times(200), binary(200), strict=True))
    ]
    found = meaning_of(rows)
    assert (columns(found)["logits"], settings(found)["logits_are"]) == ("scores", "probabilities")
    (told,) = (what for key, what in found.todo if key == "score")
    assert "holds one for each class" in told
    assert "a-column-for-each-class" in told


def late(hours: float, count: int = 200) -> tuple[Rows, Rows]:
    """Predictions, and labels that come so many hours later, every fourth twice as late."""
    predictions: Rows = []
    labels: Rows = []
    for n, (at, (p, y)) in enumerate(zip(times(count), binary(count), strict=True)):
        predictions.append({"sample_id": f"x{n}", "observed_at": at, "score": p})
        given = at + timedelta(hours=hours * (1 if n % 4 else 2))
        labels.append({"sample_id": f"x{n}", "outcome": y, "labelled_at": given})
    return predictions, labels


@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        (0.001, {"label_maturity": timedelta(0)}),
        (0.5, {"label_maturity": timedelta(minutes=30)}),
        (19.5, {"label_maturity": timedelta(hours=20)}),
        (240, {"label_maturity": timedelta(days=10), "fold_after": timedelta(days=17)}),
        (1200, {"label_horizon": timedelta(days=100), "retention": timedelta(days=100)}),
    ],
)
def test_label_maturity_is_what_three_quarters_of_the_labels_take(
    tmp_path: Path, apart: bool, hours: float, expected: dict[str, timedelta]
) -> None:
    predictions, labels = late(hours)
    if not apart:
        predictions = [
            row | {key: other[key] for key in ("outcome", "labelled_at")}
            for row, other in zip(predictions, labels, strict=True)
        ]
    file = csv_file(tmp_path / "data" / "p" / "a.csv", predictions)
    if apart:
        csv_file(tmp_path / "data" / "l" / "b.csv", labels)
    model = guessed(tmp_path / "data" if apart else file, tmp_path / "to")
    assert {name: getattr(model, name) for name in expected} == expected
    text = (tmp_path / "to" / "calwatch.toml").read_text("utf-8")
    assert "guessed: three quarters of 200 labels come within" in text
    assert text.count("label_maturity = ") == 1


def test_labels_that_say_no_time_leave_label_maturity_as_it_is(tmp_path: Path) -> None:
    rows = [
        {"sample_id": row["sample_id"], "observed_at": row["observed_at"], "score": row["score"], "outcome": 1}
        for row in late(1)[0]
    ]
    text = draft_config(str(csv_file(tmp_path / "p.csv", rows)), tmp_path).text
    assert 'label_maturity = "0s"             # windows end' in text


@pytest.mark.parametrize("left", ["nothing that names a row", "an id that comes again and again"])
def test_labels_of_predictions_without_an_id_of_their_own_are_a_source_all_the_same(tmp_path: Path, left: str) -> None:
    known = [{"p": score, "img": f"i{at % 30}"} for at, (score, _) in enumerate(binary(200))]
    known = known if "again" in left else [{"p": row["p"]} for row in known]
    csv_file(tmp_path / "in" / "preds" / "a.csv", known)
    verdicts = [{"img": f"i{at}", "verdict": "ok" if at % 3 else "ng"} for at in range(200)]
    csv_file(tmp_path / "in" / "labels" / "a.csv", verdicts)
    samples, labels = guessed(tmp_path / "in", tmp_path / "watch").source
    assert "sample_id" not in samples.columns
    assert labels.columns == {"sample_id": "img", "label": "verdict"}


def test_of_two_sources_each_setting_and_each_list_of_names_says_whose_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predictions, labels = late(5)
    csv_file(tmp_path / "data" / "p" / "a.csv", predictions)
    csv_file(tmp_path / "data" / "l" / "b.csv", labels)
    _, said, _ = init(capsys, tmp_path / "to", "--from", tmp_path / "data")
    assert said.count("time_zone of samples = ") == said.count("time_zone of labels = ") == 1
    assert "taken by their names of samples: observed_at, score, sample_id" in said
    assert "taken by their names of labels: sample_id, outcome, labelled_at" in said
    assert "assumed: assumed" not in (tmp_path / "to" / "calwatch.toml").read_text("utf-8")


CHECK = '[[model]]\nname = "m"\ntask = "binary"\n  [model.source]\n  path = "p.jsonl"\n  columns = {{ {} }}\n'


@pytest.mark.parametrize(
    ("held", "mapped", "told"),
    [
        ({"score": [0.8, 0.2]}, "", 'columns = { score = "result.score.1" }'),
        (
            {"probability": [0.1] * 10},
            "",
            '"result.probability" is a list of 10, see: calwatch docs a-column-for-each-class',
        ),
        ({"score": [0.8, 0.2]}, ', score = "result.score"', 'such as score = "result.score.1"'),
        ({"score": [0.8, 0.1, 0.1]}, ', score = "result.score"', 'such as score = "result.score.0"'),
        ({"score": 0.5, "scores": [0.8, 0.2]}, "", 'columns = { score = "result.score" }'),
    ],
)
def test_check_proposes_a_number_of_a_list_and_never_the_list(
    tmp_path: Path, held: dict[str, object], mapped: str, told: str
) -> None:
    at = datetime(2026, 11, 1)  # noqa: DTZ001  # people write times without a zone
    lines = [json.dumps({"id": f"x{n}", "at": str(at), "result": held, "outcome": n % 2}) for n in range(9)]
    (tmp_path / "p.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    (tmp_path / "calwatch.toml").write_text(CHECK.format(f'sample_id = "id", observed_at = "at"{mapped}'), "utf-8")
    (mistake,) = check_config(tmp_path / "calwatch.toml").mistakes
    assert told in mistake
