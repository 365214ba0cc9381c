"""What ``calwatch init`` writes holds together whatever a person then changes in it."""

import re
from pathlib import Path

import pytest

from monitor.cli.app import main
from monitor.engine.check.check import check_config
from monitor.model import WindowRule
from monitor.rules.pack import parse_pack


@pytest.fixture
def config(tmp_path: Path) -> Path:
    with pytest.raises(SystemExit) as stopped:
        main(["init", str(tmp_path / "line")])
    assert stopped.value.code == 0
    return tmp_path / "line" / "calwatch.toml"


def changed(path: Path, key: str, value: str) -> Path:
    written = path.read_text("utf-8")
    text = re.sub(rf"^{key} = [^#\n]*", f"{key} = {value}  ", written, count=1, flags=re.MULTILINE)
    assert text != written
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize("slices", ['["line"]', "[]", '["site", "shift", "camera"]', '["lighting"]'])
def test_other_slices_are_no_mistake(slices: str, config: Path) -> None:
    assert check_config(changed(config, "slices", slices)).mistakes == []


@pytest.mark.parametrize("windows", ['["24h"]', '["6h", "2d"]', '["30m", "14d"]'])
def test_other_windows_are_no_mistake(windows: str, config: Path) -> None:
    path = changed(config, "windows", windows)
    bucket = 'bucket = "30m"\nwindows' if "30m" in windows else "windows"
    path.write_text(path.read_text("utf-8").replace("windows", bucket, 1), "utf-8")
    assert check_config(path).mistakes == []


@pytest.mark.parametrize("task", ["multiclass", "detection", "segmentation"])
def test_another_task_is_no_mistake(task: str, config: Path) -> None:
    assert check_config(changed(config, "task", f'"{task}"')).mistakes == []


def test_the_rule_that_stands_there_as_an_example_is_one_when_its_marks_are_taken_away(config: Path) -> None:
    text = (config.parent / "rules" / "own.toml").read_text("utf-8")
    assert [rule.name for rule in parse_pack(text, "own.toml")] == ["labels-overdue"]
    head, _, example = text.partition("# [[rule]]\n")
    whole = head + "[[rule]]\n" + re.sub("^# ", "", example, flags=re.MULTILINE)
    (_, rule) = parse_pack(whole, "own.toml")
    assert isinstance(rule, WindowRule)
    assert (rule.name, rule.window, rule.only.text) == ("night-over-confident", "7d", "lighting=night")
    (config.parent / "rules" / "own.toml").write_text(whole, "utf-8")
    assert check_config(config).mistakes == []


@pytest.mark.parametrize(("days", "code"), [("14d", 0), ("10d", 1), ("16d", 1)])
def test_its_rule_test_holds_and_fails_once_the_rule_says_something_else(days: str, code: int, config: Path) -> None:
    changed(config.parent / "rules" / "own.toml", "longer_than", f'"{days}"') if days != "14d" else None
    with pytest.raises(SystemExit) as stopped:
        main(["rules", "test", str(config.parent / "rules" / "own.test.toml")])
    assert stopped.value.code == code
