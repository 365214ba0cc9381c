"""``calwatch check`` holds how long labels take against label_horizon, label_maturity and fold_after, and `only` against what
the rows tried are of."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitor.engine.check.check import CheckResult, check_config

NOW = datetime(2026, 11, 20, tzinfo=UTC)
START = datetime(2026, 11, 1, tzinfo=UTC)
ROWS = 200
LATE = "raise label_horizon (1h): labels that come later take 20h at the median, 20h at most"


def check(base: Path, *, apart: bool, after: timedelta | None, more: str = "", rules: str = "") -> CheckResult:
    """Of predictions half an hour apart whose labels come so much later, beside them or in a file of their own; the first
    twentieth of them at once. ``after`` None: they say no time."""
    times = [START + n * timedelta(minutes=30) for n in range(ROWS)]
    given = [
        "" if after is None else f"{at + (after if n >= ROWS / 20 else 0 * after):%F %T}" for n, at in enumerate(times)
    ]
    seen = [f"s{n},{at:%F %T},{n % 89 / 89:.3f},{'day' if n % 3 else 'night'}" for n, at in enumerate(times)]
    labelled = [f"{n * 7 % 89 < n % 89:d},{at}" for n, at in enumerate(given)]
    head = "sample_id,observed_at,score,shift"
    if apart:
        lines = [head, *seen]
        said = ["sample_id,outcome,labelled_at", *(f"s{n},{each}" for n, each in enumerate(labelled))]
        (base / "l.csv").write_text("\n".join(said) + "\n", "utf-8")
    else:
        lines = [f"{head},outcome,labelled_at", *(f"{one},{other}" for one, other in zip(seen, labelled, strict=True))]
    (base / "p.csv").write_text("\n".join(lines) + "\n", "utf-8")
    labels = '  [[model.source]]\n  name = "l"\n  holds = "labels"\n  path = "l.csv"\n' if apart else ""
    (base / "own.toml").write_text(rules, "utf-8")
    own = 'rules = ["own.toml"]' if rules else ""
    (base / "calwatch.toml").write_text(
        f'[[model]]\nname = "m"\ntask = "binary"\nslices = ["shift"]\n{more}\n{own}\n'
        f'  [[model.source]]\n  path = "p.csv"\n{labels}', "utf-8",
    )  # fmt: skip
    return check_config(base / "calwatch.toml", NOW)


@pytest.mark.parametrize("apart", [True, False])
def test_labels_later_than_label_horizon_are_suspicious_with_how_late_they_are(tmp_path: Path, apart: bool) -> None:
    found = check(tmp_path, apart=apart, after=timedelta(hours=20), more='label_horizon = "1h"')
    assert found.mistakes == []
    assert [LATE in each for each in found.suspicions] == [True]
    assert ("of 200 labels whose prediction was tried 190 would not join it" in found.suspicions[0]) == apart


@pytest.mark.parametrize("apart", [True, False])
def test_labels_within_it_are_fine(tmp_path: Path, apart: bool) -> None:
    found = check(tmp_path, apart=apart, after=timedelta(minutes=20))
    assert (found.mistakes, found.suspicions, found.notes) == ([], [], [])


def test_labels_from_before_their_predictions_are_suspicious(tmp_path: Path) -> None:
    (told,) = check(tmp_path, apart=True, after=-timedelta(hours=2)).suspicions
    assert "190 of them name a prediction that is there, but one observed after the label, by up to 2 h" in told


@pytest.mark.parametrize("apart", [True, False])
def test_windows_that_end_before_half_of_their_labels_came_are_named(tmp_path: Path, apart: bool) -> None:
    (told,) = check(tmp_path, apart=apart, after=timedelta(hours=30)).notes
    assert "half of the 200 labels tried come 1d6h or more after their prediction: windows of 1h, 1d, which end" in told


def test_a_label_maturity_that_waits_for_them_is_fine(tmp_path: Path) -> None:
    assert check(tmp_path, apart=True, after=timedelta(hours=30), more='label_maturity = "30h"').notes == []


@pytest.mark.parametrize("apart", [True, False])
def test_labels_later_than_fold_after_are_named(tmp_path: Path, apart: bool) -> None:
    found = check(tmp_path, apart=apart, after=timedelta(days=9), more='fold_after = "8d"')
    (told,) = (each for each in found.notes if "fold_after" in each)
    assert "190 of 200 labels tried come later than fold_after (8d): they would be measured, but not judged" in told


@pytest.mark.parametrize("apart", [True, False])
def test_labels_that_say_no_time_are_named_with_what_follows(tmp_path: Path, apart: bool) -> None:
    (told,) = check(tmp_path, apart=apart, after=None).notes
    assert "200 of 200 labels tried say no labelled_at, and count as given when calwatch first reads them" in told
    assert "so is label lag" in told


RULE = (
    '[[rule]]\nname = "x"\nkind = "threshold"\nmetric = "ece_lower"\nabove = 0.05\nwindow = "24h"\nseverity = "info"\n'
)


@pytest.mark.parametrize("apart", [True, False])
def test_a_rule_for_a_value_that_no_row_tried_has_is_named_with_the_nearest(tmp_path: Path, apart: bool) -> None:
    rules = f'{RULE}only = {{ shift = "nigth" }}\n'
    (told,) = check(tmp_path, apart=apart, after=timedelta(minutes=20), rules=rules).notes
    assert told == (
        'model "m": own.toml: rule 1 "x": only: no row tried is of it: shift="nigth" is not among day, night, did you mean '
        '"night"?'
    )


def test_a_rule_for_a_value_that_is_there_is_fine(tmp_path: Path) -> None:
    rules = f'{RULE}only = {{ shift = "night" }}\n'
    assert check(tmp_path, apart=False, after=timedelta(minutes=20), rules=rules).notes == []
