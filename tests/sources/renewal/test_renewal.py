"""Stored rows understood anew: databases as the release before left them, and settings that change later."""

import os
from pathlib import Path
from typing import Any

import pytest

from monitor.model import Slice
from monitor.sources.renewal import renew as renewal
from monitor.store.dictionaries import Registry
from tests.sources.renewal.old_worlds import STATE, everything, labels, old, outcomes, told
from tests.worlds.store import NOW, World, a_row, at, model_of, reasons
from tests.worlds.upgraded import KINDS, assert_cells_follow_samples, configured, touch

UNTOUCHED = ("nothing-changed", "none-is-a-class", "outcomes-given", "outcomes-given-boxes", "fractions")


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
