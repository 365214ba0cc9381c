"""Outcomes understood anew: by labels, words for missing ones, the positive class, and which source gave them."""

from pathlib import Path

import pytest

from tests.sources.renewal.old_worlds import everything, labels, old, outcomes, told
from tests.worlds.store import World, a_row, model_of
from tests.worlds.upgraded import assert_cells_follow_samples, configured, touch


def test_binary_labels_of_numbers_are_the_outcome_and_not_whether_the_prediction_was_right(tmp_path: Path) -> None:
    with old(tmp_path, "binary-numbers") as world:
        assert outcomes(world) != {name: int(label) for name, label in labels(world).items()}
        (said,) = told(world)
        assert "Outcomes of 29 stored samples follow from their labels anew: the label is 1 or true" in said
        assert "Calibrators in charge (all) were fitted before: run calwatch recalibrate m" in said
        assert outcomes(world) == {name: int(label) for name, label in labels(world).items()}


def test_binary_labels_that_are_names_count_as_unlabelled_until_positive_is_set(tmp_path: Path) -> None:
    with old(tmp_path, "binary-names") as world:
        (said,) = told(world)
        assert "Labels of 60 stored samples are names" in said
        assert "until positive is set in [[model]]" in said
        assert set(outcomes(world).values()) == {None}
        world.connection.execute("INSERT INTO evidence_reach VALUES ('m', 'r', 'b', now()::TIMESTAMP)")
        world.model = configured(tmp_path, positive='"defect"')
        (said,) = told(world)
        assert 'the label is positive = "defect"' in said
        assert world.rows("SELECT 1 FROM evidence_reach") == []
        assert outcomes(world) == {name: int(label == "defect") for name, label in labels(world).items()}
        assert told(world) == []
        assert_cells_follow_samples(world)
        touch(tmp_path)
        (brought,) = world.pull().values()
        assert (brought.new, brought.corrected, brought.duplicates) == (0, 0, 60)


def test_another_positive_class_turns_the_outcomes_round(tmp_path: Path) -> None:
    with old(tmp_path, "binary-names", positive='"defect"') as world:
        world.pull()
        world.model = configured(tmp_path, positive='"ok"')
        (said,) = told(world)
        assert "Outcomes of 60 stored samples" in said
        assert outcomes(world) == {name: int(label == "ok") for name, label in labels(world).items()}
        assert_cells_follow_samples(world)


def test_own_words_for_outcomes_explain_names_as_positive_does(tmp_path: Path) -> None:
    with old(tmp_path, "binary-names") as world:
        world.pull()
        world.model = configured(tmp_path, outcomes='{ true = ["Defect"], false = ["OK"] }')
        assert "Outcomes of 60 stored samples" in told(world)[0]
        assert outcomes(world) == {name: int(label == "defect") for name, label in labels(world).items()}


def test_scores_of_the_predicted_class_are_not_judged_as_those_of_the_positive_one(tmp_path: Path) -> None:
    with old(tmp_path, "binary-of-predicted") as world:
        before = everything(world)
        (said,) = told(world)
        assert 'set task = "multiclass"' in said
        assert everything(world) == before
        world.model = configured(tmp_path, task='"multiclass"')
        assert told(world) == []
        assert everything(world) == before


def test_a_task_that_is_put_right_later_judges_as_it_says(tmp_path: Path) -> None:
    with old(tmp_path, "binary-numbers") as world:
        right = {name: int(label == predicted) for name, label, predicted in
                 world.rows("SELECT sample_id, label, predicted_class FROM samples")}  # fmt: skip
        world.pull()
        world.model = configured(tmp_path, task='"multiclass"')
        assert "the label names the predicted class" in told(world)[0]
        assert outcomes(world) == right
        assert_cells_follow_samples(world)


def test_words_for_missing_labels_are_no_wrong_predictions(tmp_path: Path) -> None:
    with old(tmp_path, "labels-missing") as world:
        (said,) = told(world)
        assert "50 of them have none now, and count as unlabelled" in said
        found = labels(world)
        assert {found[name] for name, outcome in outcomes(world).items() if outcome is None} == {"None", "nan"}
        assert not {found[name] for name, outcome in outcomes(world).items() if outcome is not None} & {"None", "nan"}


def test_a_word_that_was_predicted_as_a_class_before_is_a_class(tmp_path: Path) -> None:
    with old(tmp_path, "none-is-a-class") as world:
        assert told(world) == []
        assert world.rows("SELECT word FROM class_words") == [("none",)]
        assert None not in outcomes(world).values()


def test_own_words_for_missing_labels_judge_those_that_are_none_any_more(tmp_path: Path) -> None:
    with old(tmp_path, "labels-missing") as world:
        world.pull()
        world.model = configured(tmp_path, missing_labels='["nan"]')
        assert "Outcomes of" in told(world)[0]
        found = labels(world)
        assert {outcomes(world)[name] for name, label in found.items() if label == "None"} == {0}
        assert {outcomes(world)[name] for name, label in found.items() if label == "nan"} == {None}
        assert_cells_follow_samples(world)


def test_a_class_of_that_name_in_the_configuration_judges_its_labels_again(tmp_path: Path) -> None:
    with old(tmp_path, "labels-missing") as world:
        world.pull()
        world.model = configured(tmp_path, classes='["ring", "bar", "cone", "None"]')
        assert len(told(world)) == 1
        assert {outcomes(world)[name] for name, label in labels(world).items() if label == "None"} == {0}


@pytest.mark.parametrize("classes", ['["ring", "bar", "cone"]', '["cone", "bar", "ring", "gear"]'])
def test_classes_that_are_no_such_words_change_nothing(tmp_path: Path, classes: str) -> None:
    with old(tmp_path, "labels-missing") as world:
        world.pull()
        basis = world.rows("SELECT label_basis FROM models")
        world.model = configured(tmp_path, classes=classes)
        assert told(world) == []
        assert world.rows("SELECT label_basis FROM models") == basis


def test_labels_written_as_floats_equal_whole_numbers(tmp_path: Path) -> None:
    with old(tmp_path, "labels-as-floats") as world:
        assert "Outcomes of 20 stored samples" in told(world)[0]
        assert set(labels(world).values()) <= {"1", "2", "3", None}
        rows = world.rows("SELECT positives, label, predicted_class FROM samples WHERE label IS NOT NULL")
        assert all(positives == int(label == predicted) for positives, label, predicted in rows)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("outcomes-given", {"positive": '"defect"'}), ("outcomes-given", {"missing_labels": '["ok"]'}),
        ("outcomes-given-boxes", {"missing_labels": '["car"]'}), ("outcomes-given-boxes", {"task": '"multiclass"'}),
    ],
)  # fmt: skip
def test_outcomes_that_the_source_gives_stay_whatever_is_configured(
    tmp_path: Path, kind: str, settings: dict[str, str]
) -> None:
    with old(tmp_path, kind) as world:
        before = outcomes(world)
        world.pull()
        world.model = configured(tmp_path, **settings)
        assert told(world) == []
        assert outcomes(world) == before


def test_outcomes_given_that_equal_whether_the_prediction_was_right_stay_too(tmp_path: Path) -> None:
    """Nothing in the rows tells them from outcomes that followed from labels: the columns of the files do."""
    with old(tmp_path, "outcomes-given-boxes") as world:
        assert world.rows("SELECT 1 FROM samples WHERE positives <> (label = predicted_class)::INTEGER") == []
        before = outcomes(world)
        assert told(world) == []
        assert outcomes(world) == before


def test_where_the_files_are_gone_the_rows_tell_that_outcomes_were_given(tmp_path: Path) -> None:
    with old(tmp_path, "outcomes-given", positive='"defect"') as world:
        (tmp_path / "a.csv").unlink()
        before = outcomes(world)
        assert told(world) == []
        assert outcomes(world) == before


def test_where_the_files_are_gone_labels_are_judged_anew_all_the_same(tmp_path: Path) -> None:
    with old(tmp_path, "binary-numbers") as world:
        (tmp_path / "a.csv").unlink()
        assert len(told(world)) == 1
        assert outcomes(world) == {name: int(label) for name, label in labels(world).items()}


def test_sources_of_both_kinds_leave_rows_of_unknown_source_alone_and_say_so(tmp_path: Path) -> None:
    with old(tmp_path, "binary-numbers") as world:
        before = outcomes(world)
        (tmp_path / "b").mkdir()
        (tmp_path / "b" / "b.csv").write_text(
            "sample_id,observed_at,score,outcome,label,camera\nx,2026-03-10 10:00:00,0.3,0,1,c1\n", "utf-8"
        )
        text = (tmp_path / "calwatch.toml").read_text("utf-8")
        (tmp_path / "calwatch.toml").write_text(text + '[[model.source]]\nname = "other"\npath = "b/*.csv"\n', "utf-8")
        world.model = configured(tmp_path)
        (said,) = told(world)
        assert "Touch the files of samples to have their labels judged anew" in said
        assert {name: outcome for name, outcome in outcomes(world).items() if name != "x"} == before
        touch(tmp_path)
        world.pull()
        found = labels(world)
        assert {name: outcome for name, outcome in outcomes(world).items() if name != "x"} == {
            name: int(found[name]) for name in before
        }
        assert outcomes(world)["x"] == 0


def test_each_source_is_judged_by_its_own_settings(tmp_path: Path) -> None:
    source = '[[model.source]]\nname = "one"\npath = "in/*"\n[[model.source]]\nname = "two"\npath = "labels/*"\n'
    world = World.make(tmp_path, extra='positive = "x"', source=source)
    world.send(a_row("a", outcome=None, label="bad"), a_row("b", outcome=None, label="x"), folder="in", name="i.jsonl")
    world.send(
        a_row("c", outcome=None, label="bad"), a_row("d", outcome=None, label="?"), folder="labels", name="l.jsonl"
    )
    world.pull()
    assert outcomes(world) == {"a": 0, "b": 1, "c": 0, "d": 0}
    world.model = model_of(
        world.base, 'positive = "x"', source + 'missing_labels = ["?"]\noutcomes = { true = ["bad"] }\n'
    )
    assert "Outcomes of 2 stored samples" in told(world)[0]
    assert outcomes(world) == {"a": 0, "b": 1, "c": 1, "d": None}
    assert_cells_follow_samples(world)
    world.connection.close()


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_column_of_outcomes_that_holds_none_gives_none(tmp_path: Path, ending: str) -> None:
    world = World.make(tmp_path, extra='positive = "x"')
    world.take(a_row("a", outcome=None, label="x"), a_row("b", outcome=None, label="y"), ending=ending)
    assert outcomes(world) == {"a": 1, "b": 0}
    world.model = model_of(tmp_path, 'positive = "y"')
    assert len(told(world)) == 1
    assert outcomes(world) == {"a": 0, "b": 1}
    world.connection.close()


def test_one_more_source_without_settings_changes_nothing(tmp_path: Path) -> None:
    with old(tmp_path, "binary-numbers") as world:
        world.pull()
        basis = world.rows("SELECT label_basis FROM models")
        text = (tmp_path / "calwatch.toml").read_text("utf-8")
        (tmp_path / "calwatch.toml").write_text(text + '[[model.source]]\nname = "more"\npath = "b/*.csv"\n', "utf-8")
        world.model = configured(tmp_path)
        assert told(world) == []
        assert world.rows("SELECT label_basis FROM models") == basis


def test_minus_one_is_the_other_outcome_beside_one(tmp_path: Path) -> None:
    with old(tmp_path, "binary-numbers") as world:
        for column in ("label", "predicted_class"):
            world.connection.execute(f"UPDATE samples SET {column} = '-1' WHERE {column} = '0'")
        (tmp_path / "a.csv").unlink()
        world.pull()
        assert outcomes(world) == {name: int(label == "1") for name, label in labels(world).items()}


def test_minus_one_beside_zero_says_nothing(tmp_path: Path) -> None:
    with old(tmp_path, "binary-numbers") as world:
        world.connection.execute("UPDATE samples SET label = '-1', positives = 0 WHERE sample_id < 's3'")
        (tmp_path / "a.csv").unlink()
        assert "have none now" in told(world)[0]
        found = labels(world)
        assert {outcomes(world)[name] for name, label in found.items() if label == "-1"} == {None}
        assert {outcomes(world)[name] for name, label in found.items() if label == "0"} == {0}


def test_rows_of_more_than_one_count_stay_as_they_are(tmp_path: Path) -> None:
    with old(tmp_path, "binary-numbers") as world:
        world.connection.execute("UPDATE samples SET n = 10, positives = 7 WHERE sample_id = 's5'")
        (tmp_path / "a.csv").unlink()
        world.pull()
        assert world.one("SELECT positives FROM samples WHERE sample_id = 's5'") == 7
