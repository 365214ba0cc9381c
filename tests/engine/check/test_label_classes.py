"""``calwatch check`` holds labels that come in a table of their own against the classes that were predicted."""

from pathlib import Path

import pytest

from monitor.engine.check.check import CheckResult, check_config

CONFIG = """
[[model]]
name = "sorter"
task = "multiclass"
  [[model.source]]
  path = "in/*.csv"
  [[model.source]]
  name = "verdicts"
  holds = "labels"
  path = "labels/*.csv"
"""
ROWS = 60


def _checked(
    base: Path, classes: list[str], labels: list[str], *, config: str = CONFIG, first_label: int = 0
) -> CheckResult:
    """Predictions and labels take their classes in turn; ids of labels begin with ``first_label``."""
    for folder in ("in", "labels"):
        (base / folder).mkdir()
    rows = [f"{n},2026-10-20 08:{n:02}:00,0.7,{classes[n % len(classes)]}" for n in range(ROWS)]
    (base / "in" / "a.csv").write_text("\n".join(["sample_id,observed_at,score,predicted_class", *rows, ""]), "utf-8")
    rows = [f"{first_label + n},{labels[n % len(labels)]}" for n in range(ROWS)]
    (base / "labels" / "a.csv").write_text("\n".join(["sample_id,label", *rows, ""]), "utf-8")
    (base / "calwatch.toml").write_text(config, "utf-8")
    return check_config(base / "calwatch.toml")


@pytest.mark.parametrize(
    ("classes", "labels", "why"),
    [
        (["0", "1"], ["ok", "defect"], 'set task = "binary" and positive'),
        (["0", "1", "2"], ["cat", "dog", "fox"], "an index on one side and a name on the other"),
        (["0", "1", "2"], ["1", "2", "3"], "labels count from 1"),
        (["Cat", "Dog"], ["cat", "dog"], "upper case on one side"),
        (["cat", "dog"], ["chat", "chien"], "none of 60 labels tried equals its predicted class"),
    ],
)
def test_labels_that_name_other_classes_are_a_mistake(
    classes: list[str], labels: list[str], why: str, tmp_path: Path
) -> None:
    (told,) = _checked(tmp_path, classes, labels).mistakes
    assert told.startswith('model "sorter": labels beside predictions: labels are ')
    assert why in told


@pytest.mark.parametrize("labels", [["cat", "dog", "fox"], ["cat", "cat", "dog"], ["dog", "fox", "cat"]])
def test_labels_of_the_same_classes_are_fine_unless_none_is_right(labels: list[str], tmp_path: Path) -> None:
    found = _checked(tmp_path, ["cat", "dog", "fox"], labels)
    assert bool(found.mistakes) == (labels[0] == "dog")


def test_names_that_nobody_shares_are_told_though_no_id_met(tmp_path: Path) -> None:
    found = _checked(tmp_path, ["0", "1"], ["ok", "defect"], first_label=1_000)
    assert any("an index on one side and a name on the other" in told for told in found.mistakes)


def test_where_no_id_met_the_same_names_say_nothing_against_the_labels(tmp_path: Path) -> None:
    assert _checked(tmp_path, ["cat", "dog"], ["dog", "cat"], first_label=1_000).mistakes == []


def test_a_binary_task_compares_no_names(tmp_path: Path) -> None:
    config = CONFIG.replace('"multiclass"', '"binary"\npositive = "defect"')
    assert not [
        told for told in _checked(tmp_path, ["0"], ["ok", "defect"], config=config).mistakes if "equals" in told
    ]
