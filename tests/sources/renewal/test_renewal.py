"""Stored rows understood anew: databases as the release before left them, and settings that change later."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from monitor.model import Slice
from monitor.sources.renewal import renew as renewal
from monitor.store.dictionaries import Registry
from tests.worlds.store import NOW, World, a_row, at, model_of, reasons
from tests.worlds.upgraded import KINDS, assert_cells_follow_samples, configured, left_by_old, touch

UNTOUCHED = ("nothing-changed", "none-is-a-class", "outcomes-given", "outcomes-given-boxes", "fractions")
STATE = (
    "samples",
    "cells",
    "group_cells",
    "slices",
    "slice_values",
    "parked_labels",
    "evidence_reach",
    "alerts",
    "serving",
)


@contextmanager
def old(base: Path, kind: str, **settings: str) -> Iterator[World]:
    world = left_by_old(base, kind, **settings)
    try:
        yield world
    finally:
        world.connection.close()


def told(world: World) -> list[str]:
    """What a pull says of rows that were stored."""
    problems = [problem for pulled in world.pull().values() for problem in pulled.problems]
    return [problem.message for problem in problems if problem.reason == "labels_judged_anew"]


def everything(world: World) -> dict[str, list[tuple[Any, ...]]]:
    return {table: world.rows(f"SELECT * FROM {table} ORDER BY ALL") for table in STATE}


def outcomes(world: World) -> dict[str, int | None]:
    return dict(world.rows("SELECT sample_id, positives FROM samples"))


def labels(world: World) -> dict[str, str]:
    return dict(world.rows("SELECT sample_id, label FROM samples"))


@pytest.mark.parametrize("kind", KINDS)
def test_cells_follow_the_samples_after_an_upgrade(tmp_path: Path, kind: str) -> None:
    with old(tmp_path, kind) as world:
        assert_cells_follow_samples(world)
        world.pull()
        assert_cells_follow_samples(world)


@pytest.mark.parametrize("kind", KINDS)
def test_files_that_are_touched_after_an_upgrade_double_and_correct_nothing(tmp_path: Path, kind: str) -> None:
    with old(tmp_path, kind) as world:
        world.pull()
        before = everything(world)
        touch(tmp_path)
        brought = world.pull()
        assert (
            sum(each.new + each.corrected + each.labelled + each.changed_predictions for each in brought.values()) == 0
        )
        after = everything(world)
        changed = {table for table in STATE if before[table] != after[table]}
        # rows know their file from now on, and labels that wait stand in another order
        assert changed <= {"samples", "parked_labels"}
        assert sorted(row[:14] for row in after["samples"]) == sorted(row[:14] for row in before["samples"])


@pytest.mark.parametrize("kind", KINDS)
def test_an_upgrade_is_told_once_and_done_once(tmp_path: Path, kind: str) -> None:
    with old(tmp_path, kind) as world:
        first = told(world)
        assert len(first) == (0 if kind in UNTOUCHED else 1)
        noted = world.rows("SELECT reason, message FROM source_notes WHERE reason = 'labels_judged_anew'")
        assert [message for _, message in noted] == first
        before = everything(world)
        assert told(world) == []
        assert everything(world) == before


@pytest.mark.parametrize("kind", UNTOUCHED)
def test_where_nothing_changes_nothing_is_touched_and_evidence_goes_on(tmp_path: Path, kind: str) -> None:
    with old(tmp_path, kind) as world:
        before = everything(world)
        assert told(world) == []
        assert everything(world) == before
        assert before["evidence_reach"]


@pytest.mark.parametrize("kind", ["binary-numbers", "labels-missing", "labels-as-floats", "two-exports"])
def test_evidence_starts_afresh_where_outcomes_or_rows_changed(tmp_path: Path, kind: str) -> None:
    with old(tmp_path, kind) as world:
        assert world.rows("SELECT 1 FROM evidence_reach")
        assert "Drift evidence starts afresh" in told(world)[0]
        assert world.rows("SELECT 1 FROM evidence_reach") == []


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


def test_ids_and_slices_that_are_the_same_number_become_one(tmp_path: Path) -> None:
    with old(tmp_path, "two-exports") as world:
        assert world.one("SELECT count(*) FROM samples") == 75
        (said,) = told(world)
        assert "15 stored rows became one with another of the same sample_id and time. 6 slices" in said
        assert sorted(int(name) for (name,) in world.rows("SELECT sample_id FROM samples")) == list(range(60))
        assert {Slice.of(names) for (names,) in world.rows("SELECT labels FROM slices")} == {
            Slice.of({"camera": camera, "lighting": light}) for camera in "012" for light in ("day", "night")
        }
        assert sorted(world.rows("SELECT dimension, value FROM slice_values WHERE dimension = 'camera'")) == [
            ("camera", value) for value in "012"
        ]
        assert not [text for (text,) in world.rows("SELECT DISTINCT slice FROM group_cells") if ".0" in text]
        assert {Slice.parse(text).order for (text,) in world.rows("SELECT DISTINCT slice FROM group_cells")} == {
            0,
            1,
            2,
        }
        assert_cells_follow_samples(world)


def test_the_label_stays_of_rows_that_become_one(tmp_path: Path) -> None:
    with old(tmp_path, "two-exports") as world:
        labelled = dict(world.rows("SELECT split_part(sample_id, '.', 1), max(positives) FROM samples GROUP BY 1"))
        world.pull()
        assert outcomes(world) == labelled


def test_a_slice_knows_when_it_was_last_seen_after_it_became_one(tmp_path: Path) -> None:
    with old(tmp_path, "two-exports") as world:
        newest = dict(world.rows("SELECT slice_id, max(observed_at) FROM samples GROUP BY slice_id"))
        assert newest
        world.pull()
        seen = dict(world.rows("SELECT slice_id, last_observed_at FROM slices"))
        assert seen == dict(world.rows("SELECT slice_id, max(observed_at) FROM samples GROUP BY slice_id"))


def test_calibrators_alerts_and_jobs_follow_their_slice(tmp_path: Path) -> None:
    with old(tmp_path, "two-exports") as world:
        (said,) = told(world)
        assert "current.json" in said
        charge = world.rows("SELECT scope, calibrator FROM serving WHERE until IS NULL ORDER BY ALL")
        assert charge == [("camera=1", "b" * 16), ("camera=2", "c" * 16)]
        assert world.rows("SELECT DISTINCT scope FROM calibrators ORDER BY ALL") == [("camera=1",), ("camera=2",)]
        assert world.rows("SELECT slice, state FROM alerts WHERE rule = 'by-hand'") == [("camera=1", "firing")]
        for table, column in (("alert_events", "slice"), ("jobs", "scope"), ("alerts", "slice")):
            assert not [text for (text,) in world.rows(f"SELECT DISTINCT {column} FROM {table}") if ".0" in text]


def test_an_alert_of_both_slices_is_left_to_be_resolved(tmp_path: Path) -> None:
    with old(tmp_path, "two-exports") as world:
        world.connection.execute(
            "INSERT INTO alerts SELECT * REPLACE ('camera=1' AS slice) FROM alerts WHERE rule = 'by-hand'"
        )
        world.pull()
        rows = world.rows("SELECT slice FROM alerts WHERE rule = 'by-hand' ORDER BY ALL")
        assert rows == [("camera=1",), ("camera=1.0",)]


def test_cells_that_have_outlived_their_samples_move_with_their_slice(tmp_path: Path) -> None:
    with old(tmp_path, "two-exports") as world:
        sums = (
            "SELECT sum(n), sum(unlabelled), round(sum(score), 9), sum(outcome) FROM cells WHERE bucket < '2026-02-25'"
        )
        groups = "SELECT sum(groups) FROM group_cells WHERE bucket < '2026-02-25' AND slice = 'all'"
        world.connection.execute("DELETE FROM samples WHERE observed_at < '2026-02-25'")
        before = world.rows(sums), world.rows(groups)
        world.pull()
        assert (world.rows(sums), world.rows(groups)) == before
        known = {number for (number,) in world.rows("SELECT slice_id FROM slices")}
        assert {number for (number,) in world.rows("SELECT DISTINCT slice_id FROM cells")} <= known
        assert not [text for (text,) in world.rows("SELECT DISTINCT slice FROM group_cells") if ".0" in text]
        world.cells()  # none stands twice


def test_a_blank_slice_value_is_a_missing_one(tmp_path: Path) -> None:
    with old(tmp_path, "nothing-changed") as world:
        world.connection.execute("UPDATE slices SET labels = map(['camera'], [' ']) WHERE labels['camera'] = 'c0'")
        world.connection.execute("UPDATE slice_values SET value = ' ' WHERE value = 'c0'")
        world.pull()
        assert world.rows("SELECT labels['camera'] FROM slices ORDER BY ALL") == [("__missing__",), ("c1",)]
        assert world.rows("SELECT value FROM slice_values") == [("c1",)]


def test_labels_that_wait_find_their_prediction_once_ids_are_compared_as_values(tmp_path: Path) -> None:
    with old(tmp_path, "labels-apart", positive='"defect"') as world:
        assert world.one("SELECT count(*) FROM parked_labels") == 60
        assert len(told(world)) == 1
        assert world.one("SELECT count(*) FROM parked_labels") == 20
        found = labels(world)
        assert outcomes(world) == {str(i): int(found[str(i)] == "defect") for i in range(40)}
        assert world.one("SELECT count(*) FROM samples WHERE labelled_at IS NULL") == 0
        assert_cells_follow_samples(world)


def test_labels_that_joined_without_an_outcome_wait_for_positive_and_say_so(tmp_path: Path) -> None:
    with old(tmp_path, "labels-apart") as world:
        assert "Labels of 10 stored samples are names" in told(world)[0]
        world.model = configured(tmp_path, positive='"defect"')
        assert "Outcomes of 40 stored samples" in told(world)[0]
        assert world.one("SELECT count(*) FROM parked_labels WHERE positives IS NULL") == 0
        assert world.one("SELECT count(*) FROM samples WHERE positives IS NULL OR labelled_at IS NULL") == 0


def test_rows_that_differ_in_fractions_become_one_once_times_are_cut(tmp_path: Path) -> None:
    with old(tmp_path, "fractions") as world:
        world.pull()
        world.model = configured(tmp_path, time_precision='"1s"')
        assert "20 stored rows became one with another" in told(world)[0]
        assert world.one("SELECT count(*) FROM samples") == 40
        assert world.one("SELECT count(*) FROM samples WHERE epoch_us(observed_at) % 1000000 <> 0") == 0
        assert_cells_follow_samples(world)
        touch(tmp_path)
        (brought,) = world.pull().values()
        assert (brought.new, brought.corrected, brought.duplicates) == (0, 0, 60)


def test_rows_that_predict_differently_and_become_one_are_told_apart(tmp_path: Path) -> None:
    with old(tmp_path, "fractions") as world:
        world.connection.execute(
            "UPDATE samples SET score = 0.123 WHERE sample_id = 's12' AND epoch_us(observed_at) % 1000000 = 0"
        )
        newest = world.one("SELECT score FROM samples WHERE sample_id = 's12' ORDER BY rowid DESC LIMIT 1")
        world.model = configured(tmp_path, time_precision='"1s"')
        assert "of 1 of these the rows predicted differently, and the newest counts" in told(world)[0]
        assert world.one("SELECT score FROM samples WHERE sample_id = 's12'") == newest


@pytest.mark.parametrize("precision", ['"7h"', '"36h"', '"1d"'])
def test_times_that_are_cut_to_another_day_meet_there(tmp_path: Path, precision: str) -> None:
    world = World.make(tmp_path)
    hours = [
        "2026-03-08 22:00:00",
        "2026-03-08 23:30:00",
        "2026-03-09 00:30:00",
        "2026-03-09 03:00:00",
        "2026-03-10 10:00:00",
    ]
    world.take(*(a_row("a", observed_at=moment, labelled_at=None, score=0.5) for moment in hours))
    with_cut = configured_here(world, f"time_precision = {precision}")
    expected = World.make(tmp_path / "scratch")
    expected.model = with_cut
    expected.take(*(a_row("a", observed_at=moment, labelled_at=None, score=0.5) for moment in hours))
    world.model = with_cut
    told(world)
    times = "SELECT observed_at FROM samples ORDER BY ALL"
    assert world.rows(times) == expected.rows(times)
    assert_cells_follow_samples(world)
    world.connection.close()
    expected.connection.close()


def configured_here(world: World, line: str) -> Any:
    return model_of(world.base, source=f'[[model.source]]\npath = "in/*"\n{line}\n')


def test_rows_of_two_files_that_become_one_outlive_either_file(tmp_path: Path) -> None:
    """The row that stayed is of the second file; when that is written anew without it, the first still holds it."""
    world = World.make(tmp_path)
    world.send(a_row("a", observed_at="2026-03-10 10:00:00.250"), a_row("b"), name="one.jsonl")
    world.pull()
    world.send(a_row("a", observed_at="2026-03-10 10:00:00"), a_row("c"), name="two.jsonl")
    world.pull()
    world.model = configured_here(world, 'time_precision = "1s"\nwithdrawn = "remove"')
    assert len(told(world)) == 1
    path = world.send(a_row("c"), name="two.jsonl")
    os.utime(path, (NOW.timestamp() + 5, NOW.timestamp() + 5))
    world.pull()
    assert world.rows("SELECT sample_id FROM samples ORDER BY ALL") == [("a",), ("b",), ("c",)]
    world.connection.close()


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


def test_a_model_that_is_configured_no_more_is_left_alone(tmp_path: Path) -> None:
    with old(tmp_path, "binary-numbers") as world:
        world.connection.execute("UPDATE models SET name = 'gone'")
        before = everything(world)
        assert told(world) == []
        after = everything(world)
        assert [row for row in after["samples"] if row[0] == 1] == before["samples"]
        assert world.one("SELECT label_basis FROM models WHERE name = 'gone'") is None


@pytest.mark.parametrize("kind", ["binary-numbers", "two-exports", "labels-apart"])
@pytest.mark.parametrize("place", ["rewrite_samples", "finish_slices", "tell_renewal"])
def test_a_crash_in_the_middle_leaves_everything_as_it_was(
    tmp_path: Path, kind: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with old(tmp_path, kind, **({"positive": '"defect"'} if kind == "labels-apart" else {})) as world:
        before = everything(world)

        def crash(*_: object, **__: object) -> None:
            raise RuntimeError("the power went")

        with monkeypatch.context() as patched:
            patched.setattr(renewal, place, crash)
            with pytest.raises(RuntimeError, match="the power went"):
                world.pull()
        assert everything(world) == before
        assert world.one("SELECT label_basis FROM models") is None
        assert Registry.load(world.connection, world.model, NOW).slices
        assert len(told(world)) == 1
        assert_cells_follow_samples(world)


def test_a_file_that_cannot_be_read_does_not_keep_stored_rows_from_being_judged(tmp_path: Path) -> None:
    with old(tmp_path, "binary-numbers") as world:
        (tmp_path / "a.csv").write_bytes(b"\x00\x01\xff" * 50)
        brought = world.pull()
        assert "labels_judged_anew" in reasons(brought["samples"].problems)
        assert outcomes(world) == {name: int(label) for name, label in labels(world).items()}


def test_a_new_database_has_nothing_to_be_judged_anew(tmp_path: Path) -> None:
    world = World.make(tmp_path)
    assert reasons(world.take(a_row("a", observed_at=str(at("2026-03-10 10:00:00")))).problems) == []
    assert world.one("SELECT label_basis FROM models") is not None
    world.connection.close()
