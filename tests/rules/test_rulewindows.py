"""Shipped packs work with any windows: each rule takes the nearest one, told once; own packs stay as they are written."""

from dataclasses import fields
from datetime import timedelta
from pathlib import Path

import pytest
import structlog

from monitor.config.settings import load_config
from monitor.engine.check.check import check_config
from monitor.engine.cycle import build_watched, tell_mapped_windows
from monitor.model import Rule, ThresholdRule, WindowRule
from monitor.model.durations import parse_duration
from monitor.model.errors import ConfigError
from monitor.rules.pack import load_rules, shipped_packs
from monitor.rules.windows import fit_windows, nearest_window
from tests.worlds.rule_texts import threshold

HERE = Path(__file__).parent
MODEL = """
[[model]]
name = "m"
task = "binary"
windows = {windows}
rules = {rules}
  [model.source]
  path = "*.csv"
"""


def lengths(*names: str) -> dict[str, timedelta]:
    return {name: parse_duration(name) for name in names}


def configured(base: Path, windows: str, rules: str) -> Path:
    path = base / "calwatch.toml"
    path.write_text(MODEL.format(windows=windows, rules=rules), "utf-8")
    return path


@pytest.mark.parametrize(
    ("window", "offered", "nearest"),
    [
        ("24h", ("6h", "2d"), "2d"),
        ("7d", ("6h", "2d"), "2d"),
        ("7d", ("1h", "24h", "30d"), "30d"),
        ("24h", ("12h", "2d"), "2d"),
        ("24h", ("2d", "12h"), "2d"),
        ("24h", ("23h", "7d"), "23h"),
        ("7d", ("1h",), "1h"),
        ("24h", ("24h", "25h"), "24h"),
        ("1d", ("24h", "7d"), "24h"),
    ],
)
def test_the_nearest_window_is_nearest_by_ratio_and_the_longer_of_two(
    window: str, offered: tuple[str, ...], nearest: str
) -> None:
    assert nearest_window(window, lengths(*offered)) == nearest


@pytest.mark.parametrize("pack", shipped_packs())
@pytest.mark.parametrize("windows", [("6h", "2d"), ("24h",), ("1h",), ("30d", "14d"), ("24h", "7d"), ("5m",)])
def test_a_shipped_pack_fits_any_windows_and_keeps_all_else(pack: str, windows: tuple[str, ...]) -> None:
    written = load_rules(["default", pack], HERE)
    fitted = fit_windows(written, lengths(*windows))
    assert {rule.window for rule in fitted if isinstance(rule, WindowRule)} <= set(windows)
    before = {rule.name: rule for rule in written}
    for rule in fitted:
        assert _without_window(rule) == _without_window(before[rule.name])
    gone = before.keys() - {rule.name for rule in fitted}
    assert all(any(f"{name} is left out" in sentence for sentence in fitted.mapped) for name in gone)


def _without_window(rule: Rule) -> tuple[object, ...]:
    return tuple(getattr(rule, name) for name in (field.name for field in fields(rule)) if name != "window")


def test_where_every_window_is_there_nothing_changes_and_nothing_is_said() -> None:
    written = load_rules(["default", "safety"], HERE)
    assert fit_windows(written, lengths("1h", "24h", "7d")) is written


def test_what_stands_in_is_one_sentence_a_pack_of_the_rules_that_are_in_force() -> None:
    fitted = fit_windows(load_rules(["default", "quality-control"], HERE), lengths("6h", "2d"))
    assert fitted.mapped == (
        'rule pack "default": windows 24h -> 2d (nearest of 6h, 2d) for rule ece-severe; 7d -> 2d for rules brier-useless, '
        "log-loss-useless, labels-late, coverage-low, ece-high-week",
        'rule pack "quality-control": windows 24h -> 2d (nearest of 6h, 2d) for rules ece-high, over-confident, '
        "under-confident, slice-worse, defect-rate-jump, recall-promise-broken",
    )


@pytest.mark.parametrize("windows", [("24h",), ("7d",), ("6h", "2d"), ("3d",)])
def test_of_two_rules_that_come_to_say_the_same_the_one_that_fires_first_stays(windows: tuple[str, ...]) -> None:
    fitted = fit_windows(load_rules(["default"], HERE), lengths(*windows))
    names = [rule.name for rule in fitted]
    assert "ece-high" in names
    assert "ece-high-week" not in names
    assert "ece-high-week is left out, since ece-high now says the same" in fitted.mapped[0]
    assert {"ece-severe", "brier-useless", "log-loss-useless"} <= set(names)


def test_rules_of_other_bounds_or_severity_stay_beside_each_other_on_one_window() -> None:
    fitted = fit_windows(load_rules(["default", "quality-control"], HERE), lengths("24h"))
    on_ece = [
        (rule.name, rule.above) for rule in fitted if isinstance(rule, ThresholdRule) and rule.metric == "ece_lower"
    ]
    assert on_ece == [("ece-high", 0.03), ("ece-severe", 0.15), ("ece-high-week", 0.05)]


@pytest.mark.parametrize("name", ["own.toml", "./default.toml", "rules/default.toml"])
def test_an_own_pack_stays_strict_whatever_its_name(name: str, tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / name).write_text(threshold(window='"24h"'), "utf-8")
    path = configured(tmp_path, '["6h", "2d"]', f'["default", "{name}"]')
    with pytest.raises(ConfigError) as caught:
        build_watched(load_config(path))
    assert caught.value.mistakes == [
        f'model "m": {name}:7: rule 1 "r": window "24h" is none of the model\'s windows ("6h" or "2d")'
    ]


def test_an_own_rule_in_the_place_of_a_shipped_one_is_not_moved(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(threshold(name='"ece-high"', window='"6h"'), "utf-8")
    (each,) = build_watched(load_config(configured(tmp_path, '["6h", "2d"]', '["default", "own.toml"]')))
    assert {rule.name: rule.window for rule in each.rulebook if isinstance(rule, WindowRule)}["ece-high"] == "6h"
    assert "ece-high," not in each.rulebook.mapped[0]


@pytest.mark.parametrize("pack", shipped_packs())
def test_check_says_what_stands_in_as_a_mere_note(pack: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("sample_id,observed_at,score,outcome\n1,2026-10-20 08:00:00,0.4,1\n", "utf-8")
    found = check_config(configured(tmp_path, '["6h", "2d"]', f'["{pack}"]'))
    assert found.mistakes == []
    (note,) = [note for note in found.notes if "windows" in note]
    assert note.startswith(f'model "m": rule pack "{pack}": windows ')
    assert "(nearest of 6h, 2d)" in note


def test_the_log_says_once_for_each_model_what_stands_in(tmp_path: Path) -> None:
    path = configured(tmp_path, '["6h", "2d"]', '["default"]')
    path.write_text(
        path.read_text("utf-8") + MODEL.format(windows='["24h", "7d"]', rules='["default"]').replace('"m"', '"n"')
    )
    with structlog.testing.capture_logs() as logged:
        tell_mapped_windows(build_watched(load_config(path)))
    (line,) = logged
    assert (line["event"], line["model"], line["log_level"]) == ("windows of shipped rules", "m", "info")
    assert "24h -> 2d (nearest of 6h, 2d) for rules ece-high" in line["mapped"]
