"""``calwatch check`` tells what a model is asked that its samples can never tell."""

from pathlib import Path

import pytest

from monitor.engine.check.check import CheckResult, check_config
from tests.worlds.line import model_section, write_config

RULES = """
[[rule]]
name = "{name}"
kind = "threshold"
metric = "{metric}"
below = 0.95
window = "24h"
severity = "page"
"""


def _check(
    base: Path, policy: str | None, task: str = "detection", metric: str = "threshold_precision_upper"
) -> CheckResult:
    extra = "" if policy is None else f'threshold = {{ policy = "{policy}" }}'
    path = write_config(base, model_section(extra=extra).replace('"binary"', f'"{task}"'))
    (base / "own.toml").write_text(RULES.format(name="watched", metric=metric), "utf-8")
    return check_config(path)


@pytest.mark.parametrize("policy", ["youden", "cost:fp=1,fn=4,prior=0.02"])
def test_what_no_data_can_answer_is_suspicious(policy: str, tmp_path: Path) -> None:
    found = _check(tmp_path, policy)
    assert found.mistakes == []
    (told,) = found.suspicions
    assert told.startswith(
        f'model "m": threshold: no threshold for {policy}: nobody counts the places where no object is'
    )


@pytest.mark.parametrize("policy", ["f1", "fbeta:2", "recall>=0.9"])
def test_what_truths_would_answer_is_a_note_and_breaks_no_configuration(policy: str, tmp_path: Path) -> None:
    found = _check(tmp_path, policy)
    assert (found.mistakes, found.suspicions) == ([], [])
    (told,) = [note for note in found.notes if "threshold" in note]
    assert told.startswith(f'model "m": threshold: no threshold for {policy}: it needs recall')
    assert 'holds = "truth"' in told


@pytest.mark.parametrize("policy", [None, "cost:fp=1,fn=4", "precision>=0.9", "fp_per_image<=0.5"])
def test_what_detections_answer_is_told_of_with_no_word(policy: str | None, tmp_path: Path) -> None:
    found = _check(tmp_path, policy)
    assert [each for each in (*found.suspicions, *found.notes) if "threshold" in each] == []


@pytest.mark.parametrize("task", ["binary", "multiclass", "segmentation"])
@pytest.mark.parametrize("policy", ["f1", "fbeta:2", "recall>=0.9", "youden", "cost:fp=1,fn=4,prior=0.02"])
def test_other_tasks_are_asked_anything(task: str, policy: str, tmp_path: Path) -> None:
    found = _check(tmp_path, policy, task, metric="threshold_recall_upper")
    assert [each for each in (*found.suspicions, *found.notes) if "threshold" in each] == []


@pytest.mark.parametrize("metric", ["threshold_recall", "threshold_recall_lower", "threshold_recall_upper"])
def test_a_rule_on_recall_that_watches_nothing_is_noted(metric: str, tmp_path: Path) -> None:
    found = _check(tmp_path, None, metric=metric)
    (told,) = [note for note in found.notes if "watched" in note]
    assert f'"watched": this rule watches nothing: {metric} is unknown' in told
    assert found.suspicions == []
