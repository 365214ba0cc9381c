"""``calwatch check`` tries rows: what cannot be taken is told with its place and what to do, before anything is started."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitor.engine.check.check import check_config
from monitor.sources.dry_run import BATCHES, ROWS

CONFIG = """
[[model]]
name = "presse"
task = "binary"
slices = ["kamera"]
  [[model.source]]
  path = "in/*.csv"
  time_zone = "Europe/Berlin"
  columns = { sample_id = "Teil", observed_at = "Zeit", score = "Konfidenz", kamera = "Kamera" }
"""
OUTCOME = CONFIG.replace('"Kamera" }', '"Kamera", outcome = "Urteil" }')
LABELS = '  [[model.source]]\n  name = "urteile"\n  holds = "labels"\n  path = "labels/*.csv"\n'
AT = datetime(2026, 10, 20, 6, 10, tzinfo=UTC)  # ten minutes after GOOD
HEADER = "Teil;Zeit;Kamera;Konfidenz;Urteil\n"
GOOD = "1;2026-10-20 08:00:00;c1;0.47;1\n"


def _write(base: Path, config: str, rows: str, name: str = "in/a.csv") -> Path:
    path = base / "calwatch.toml"
    path.write_text(config, "utf-8")
    (base / name).parent.mkdir(exist_ok=True)
    (base / name).write_text(HEADER + rows, "utf-8")
    return path


def test_what_can_be_taken_is_told_with_its_span_in_utc(tmp_path: Path) -> None:
    found = check_config(_write(tmp_path, OUTCOME, GOOD + "2;2026-10-21 08:00:00;c1;0.5;\n"))
    assert (found.mistakes, found.notes) == ([], [])
    assert found.sources == [
        'model "presse": source "samples": 2 rows of 2 tried can be taken, observed 2026-10-20 06:00 to 2026-10-21 06:00 UTC, '
        "1 with an outcome"
    ]


@pytest.mark.parametrize(
    ("row", "reason", "remedy"),
    [
        ("2;20.10.2026 08:00;c1;0.47;1", "unreadable_time", "times are written 2026-01-31 14:05:09"),
        ("2;2026-10-20 08:00;c1;0,47;1", "score_not_a_number", "decimal point, such as 0.83"),
        ("2;2026-10-20 08:00;c1;47;1", "score_outside_0_1", 'score_unit = "percent"'),
        ("2;2026-10-20 08:00;c1;0.47;gut", "unknown_outcome", "columns label and predicted_class"),
        (";2026-10-20 08:00;c1;0.47;1", "missing_sample_id", "if it is called otherwise, map it in columns"),
        ("2;2026-10-20 08:00", "unreadable_line", "as many fields in each row as in the header"),
    ],
)
def test_a_bad_row_among_good_ones_is_told_with_its_place_and_a_remedy(
    row: str, reason: str, remedy: str, tmp_path: Path
) -> None:
    found = check_config(_write(tmp_path, OUTCOME, f"{GOOD}{row}\n"))
    assert (found.mistakes, found.notes) == ([], [])
    (suspicion,) = found.suspicions
    assert f"1 of the 2 rows tried would be set aside as {reason}, such as row 1 of {tmp_path}/in/a.csv" in suspicion
    assert remedy in suspicion


def test_a_bad_row_among_many_good_ones_is_a_mere_note(tmp_path: Path) -> None:
    good = "".join(f"{place};2026-10-20 08:00:00;c1;0.{place};{place % 2}\n" for place in range(10, 29))
    found = check_config(_write(tmp_path, OUTCOME, f"{good}x;2026-10-20 08:00;c1;none;1\n"))
    assert (found.mistakes, found.suspicions) == ([], [])
    (note,) = found.notes
    assert "1 of the 20 rows tried would be set aside as score_not_a_number" in note


def test_a_source_of_which_no_row_can_be_taken_is_a_mistake(tmp_path: Path) -> None:
    found = check_config(_write(tmp_path, OUTCOME, "1;20.10.2026 08:00:00;c1;0,47;1\n"))
    (mistake,) = found.mistakes
    assert mistake.startswith(
        'model "presse": source "samples": 1 of the 1 row tried would be set aside as unreadable_time'
    )


def test_a_model_without_any_outcome_is_noted(tmp_path: Path) -> None:
    path = _write(tmp_path, CONFIG, GOOD)
    assert any("no row tried has an outcome" in note for note in check_config(path).notes)
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.csv").write_text("sample_id,outcome\n1,1\n", "utf-8")
    path.write_text(CONFIG + LABELS, "utf-8")
    found = check_config(path)
    assert found.notes == []
    assert found.sources[1] == 'model "presse": source "urteile": 1 row of 1 tried can be taken'


def test_only_the_first_rows_of_the_first_files_are_tried_and_old_ones_are_no_mistake(tmp_path: Path) -> None:
    path = _write(tmp_path, OUTCOME, "".join(GOOD.replace("2026", "1999") for _ in range(ROWS + 1)))
    for number in range(BATCHES):
        _write(tmp_path, OUTCOME, GOOD.replace("0.47;1", "0.47;0"), f"in/b{number:02}.csv")
    found = check_config(path)
    assert (found.mistakes, found.notes) == ([], [])
    rows = ROWS + BATCHES - 1
    assert f"{rows:,} rows of {rows:,} tried can be taken" in found.sources[0]
    assert found.summary.endswith(f"{BATCHES + 1} readable files")


@pytest.mark.parametrize(
    ("row", "remark"),
    [
        ("2;2026-10-20 08:12:00;c1;0.5;0", ""),
        ("2;2026-10-20 09:12:00;c1;0.5;0", "ahead of now, 2026-10-20 06:10 UTC"),
        ("2;2026-07-21 08:00:00;c1;0.5;0", "older than retention (90d)"),
        ("2;2026-07-23 08:00:00;c1;0.5;0", ""),
    ],
)
def test_rows_that_a_cycle_now_would_refuse_are_noted_when_it_is_asked(row: str, remark: str, tmp_path: Path) -> None:
    path = _write(tmp_path, OUTCOME, f"{GOOD}{row}\n")
    assert check_config(path).notes == []
    notes = check_config(path, AT).notes
    assert len(notes) == bool(remark)
    assert all('source "samples": 1 of the 2 rows tried' in note and remark in note for note in notes)


def test_times_ahead_of_now_ask_after_the_time_zone(tmp_path: Path) -> None:
    (note,) = check_config(_write(tmp_path, OUTCOME, GOOD), datetime(2026, 10, 20, 5, tzinfo=UTC)).notes
    assert note.endswith('set aside as time_in_future: is time_zone = "Europe/Berlin" that of its times?')


@pytest.mark.parametrize(
    ("outcomes", "noted"), [("1" * 20, True), ("0" * 20, True), ("1" * 19, False), ("10" * 10, False)]
)
def test_outcomes_that_are_all_alike_are_noted(outcomes: str, noted: bool, tmp_path: Path) -> None:
    rows = "".join(f"{place};2026-10-20 08:00:00;c1;0.5;{outcome}\n" for place, outcome in enumerate(outcomes))
    said = check_config(_write(tmp_path, OUTCOME, rows.replace(";0.5;", ";0.25;", 1))).suspicions
    assert [f"every outcome of 20 samples tried is {outcomes[0]}" in each for each in said] == [True] * noted


@pytest.mark.parametrize(
    ("columns", "labels", "mistaken"),
    [("", "label", True), (', predicted_class = "Urteil"', "label", False), ("", "outcome", False)],
)
def test_labels_that_are_classes_need_predicted_classes_to_compare_them_with(
    columns: str, labels: str, mistaken: bool, tmp_path: Path
) -> None:
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.csv").write_text(f"sample_id,{labels}\n1,1\n", "utf-8")
    config = CONFIG.replace('"Kamera" }', f'"Kamera"{columns} }}').replace('"binary"', '"multiclass"') + LABELS
    mistakes = check_config(_write(tmp_path, config, GOOD)).mistakes
    assert len(mistakes) == mistaken
    assert all('labels of source "urteile" are names of classes, and no prediction' in each for each in mistakes)


def test_labels_that_are_refused_are_not_said_to_be_none_and_each_name_is_a_choice(tmp_path: Path) -> None:
    path = _write(tmp_path, CONFIG + LABELS, GOOD)
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.csv").write_text("sample_id,label\n1,ja\n2,nein\n", "utf-8")
    found = check_config(path)
    (told,) = found.mistakes
    assert 'Set positive = "ja" or positive = "nein" in [[model]]' in told
    assert not [note for note in found.notes if "no row tried has an outcome" in note]


def test_labels_before_the_first_prediction_are_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.csv").write_text("sample_id,label\n1,1\n", "utf-8")
    path = _write(tmp_path, CONFIG + LABELS, "")
    assert check_config(path).mistakes == []


def test_a_file_that_is_refused_is_not_said_to_be_missing(tmp_path: Path) -> None:
    found = check_config(_write(tmp_path, OUTCOME.replace('"Teil"', '"Stück"'), GOOD))
    assert len(found.mistakes) == 1
    assert found.notes == []


def test_a_file_with_a_header_alone_is_noted(tmp_path: Path) -> None:
    assert check_config(_write(tmp_path, OUTCOME, "")).notes == [
        'model "presse": source "samples": has no row yet, only a header'
    ]


def test_a_path_that_is_a_directory_is_told_how_to_name_its_files(tmp_path: Path) -> None:
    (mistake,) = check_config(_write(tmp_path, OUTCOME.replace("in/*.csv", "in"), GOOD)).mistakes
    assert f"{tmp_path / 'in'}: is a directory, not a file, and nothing below it is read" in mistake
    assert "for its files let the source's path end with /*" in mistake
