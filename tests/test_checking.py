"""``calwatch check`` tries rows: what cannot be taken is told with its place and what to do, before anything is started."""

from pathlib import Path

import pytest

from monitor.checking import check_config
from monitor.trial import BATCHES, ROWS

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
        ("2;2026-10-20 08:00;c1;47;1", "score_outside_0_1", "divide percentages by 100"),
        ("2;2026-10-20 08:00;c1;0.47;gut", "unknown_outcome", "columns label and predicted_class"),
        (";2026-10-20 08:00;c1;0.47;1", "missing_sample_id", "each row needs a sample_id"),
        ("2;2026-10-20 08:00", "unreadable_line", ""),
    ],
)
def test_a_bad_row_among_good_ones_is_a_note_with_its_place_and_a_remedy(
    row: str, reason: str, remedy: str, tmp_path: Path
) -> None:
    found = check_config(_write(tmp_path, OUTCOME, f"{GOOD}{row}\n"))
    assert found.mistakes == []
    (note,) = found.notes
    assert f"1 of the 2 rows tried would be set aside as {reason}, such as row 1 of {tmp_path}/in/a.csv" in note
    assert remedy in note


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
        _write(tmp_path, OUTCOME, GOOD, f"in/b{number:02}.csv")
    found = check_config(path)
    assert (found.mistakes, found.notes) == ([], [])
    rows = ROWS + BATCHES - 1
    assert f"{rows:,} rows of {rows:,} tried can be taken" in found.sources[0]
    assert found.summary.endswith(f"{BATCHES + 1} readable files")
