"""``calwatch check`` says in how many groups rows come, by what they are called, and asks where a name stands for none."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitor.engine.check.check import CheckResult, check_config

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def check(base: Path, *, key: str = "", grouped: bool = True, extra: str = "") -> CheckResult:
    """Of 60 rows, three to each of twenty clips where they are grouped."""
    head = "sample_id,observed_at,score,outcome" + (",group_id" if grouped else "")
    rows = [
        f"s{n},2026-11-19 {n % 20:02}:00:00,{(n * 7 % 59 + 1) / 61:.3f},{n * 5 % 7 < 3:d}"
        + (f",g{n % 20}" if grouped else "")
        for n in range(60)
    ]
    (base / "p.csv").write_text("\n".join([head, *rows]) + "\n", "utf-8")
    (base / "calwatch.toml").write_text(
        f'[[model]]\nname = "m"\ntask = "binary"\nrules = []\n{key}\n{extra}\n[[model.source]]\npath = "p.csv"\n',
        "utf-8",
    )
    return check_config(base / "calwatch.toml", NOW)


@pytest.mark.parametrize(
    ("key", "said"), [('group_noun = "clip"', "20 clips"), ('group_noun = "study"', "20 studies"), ("", "20 groups")]
)
def test_rows_in_groups_are_told_with_their_number(key: str, said: str, tmp_path: Path) -> None:
    found = check(tmp_path, key=key)
    assert found.mistakes == []
    assert found.sources[0].endswith(f", 60 with an outcome; they come in {said}")
    assert not any("group_noun" in each for each in (*found.suspicions, *found.notes))


def test_rows_by_themselves_are_told_as_ever(tmp_path: Path) -> None:
    found = check(tmp_path, grouped=False)
    assert found.sources[0].endswith(", 60 with an outcome")
    assert not any("group" in each for each in (*found.suspicions, *found.notes))


def test_a_name_for_groups_that_no_row_is_in_is_suspicious_with_what_to_map(tmp_path: Path) -> None:
    found = check(tmp_path, key='group_noun = "patient"', grouped=False)
    (asked,) = [each for each in found.suspicions if "group_noun" in each]
    assert 'group_noun is "patient", and no row tried has a group_id: samples count as independent' in asked
    assert 'columns = { group_id = "…" }' in asked


def check_rows(base: Path, groups: list[str], *, key: str = "") -> CheckResult:
    """A row for each of the ``groups``, "" where it names none."""
    rows = [
        f"s{n},2026-11-19 {n % 20:02}:00:00,{(n * 7 % 59 + 1) / 61:.3f},{n * 5 % 7 < 3:d},{group}"
        for n, group in enumerate(groups)
    ]
    (base / "p.csv").write_text("\n".join(["sample_id,observed_at,score,outcome,group_id", *rows]) + "\n", "utf-8")
    (base / "calwatch.toml").write_text(
        f'[[model]]\nname = "m"\ntask = "binary"\nrules = []\n{key}\n[[model.source]]\npath = "p.csv"\n', "utf-8"
    )
    return check_config(base / "calwatch.toml", NOW)


@pytest.mark.parametrize(("alone", "share"), [(20, "33 %"), (1, "1.7 %"), (57, "95 %")])
def test_rows_without_a_group_among_rows_with_one_are_suspicious(alone: int, share: str, tmp_path: Path) -> None:
    found = check_rows(tmp_path, ["" if n < alone else f"g{n % 20}" for n in range(60)])
    (said,) = [each for each in found.suspicions if "group_id" in each]
    assert f"{share} of the rows have no group_id and count as independent" in said
    assert "Fill group_id in every row; one that is truly by itself takes an id of its own" in said


def test_one_row_in_hundreds_without_a_group_is_a_note(tmp_path: Path) -> None:
    found = check_rows(tmp_path, [f"g{n % 20}" if n else "" for n in range(400)])
    assert not any("group_id" in each for each in found.suspicions)
    assert any("0.2 % of the rows have no group_id and count as independent" in each for each in found.notes)


OF_ONE = "each sample tried is alone in its "


def test_a_group_of_its_own_for_each_row_is_a_note(tmp_path: Path) -> None:
    found = check_rows(tmp_path, [f"frame{n}" for n in range(60)])
    (said,) = [each for each in found.notes if OF_ONE in each]
    assert "alone in its group: group_id is another in every row, so that samples count as independent" in said
    assert not any(OF_ONE in each for each in found.suspicions)


@pytest.mark.parametrize("noun", ["clip", "study"])
def test_a_group_of_its_own_for_each_row_is_suspicious_where_groups_have_a_name(noun: str, tmp_path: Path) -> None:
    found = check_rows(tmp_path, [f"frame{n}" for n in range(60)], key=f'group_noun = "{noun}"')
    (said,) = [each for each in found.suspicions if OF_ONE in each]
    assert f"alone in its {noun}: " in said
    assert "Is it the id of the row" in said
    assert not any(OF_ONE in each for each in found.notes)


@pytest.mark.parametrize(
    "groups", [[f"g{n // 2}" for n in range(60)], ["g0", "g0", *(f"g{n}" for n in range(1, 59))], ["g0", "g1", "g2"]]
)
def test_groups_with_a_second_sample_or_too_few_of_them_are_not_asked_about(groups: list[str], tmp_path: Path) -> None:
    found = check_rows(tmp_path, groups, key='group_noun = "clip"')
    assert not any(OF_ONE in each for each in (*found.suspicions, *found.notes))


def test_rows_that_come_again_are_no_second_sample_of_their_group(tmp_path: Path) -> None:
    check_rows(tmp_path, [f"frame{n}" for n in range(60)])
    text = (tmp_path / "p.csv").read_text("utf-8")
    (tmp_path / "p.csv").write_text(text + text.partition("\n")[2], "utf-8")
    assert any(OF_ONE in each for each in check_config(tmp_path / "calwatch.toml", NOW).notes)


def test_a_row_that_counts_many_pixels_is_rightly_a_group_of_its_own(tmp_path: Path) -> None:
    rows = [f"s{n},2026-11-19 {n % 20:02}:00:00,{(n * 7 % 59 + 1) / 61:.3f},40,{n % 40},i{n}" for n in range(60)]
    check_rows(tmp_path, ["g"], key='group_noun = "image"')
    text = "\n".join(["sample_id,observed_at,score,n,positives,group_id", *rows]) + "\n"
    (tmp_path / "p.csv").write_text(text, "utf-8")
    found = check_config(tmp_path / "calwatch.toml", NOW)
    assert found.mistakes == []
    assert not any(OF_ONE in each for each in (*found.suspicions, *found.notes))
