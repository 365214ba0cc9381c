"""The packs that ship: their own tests pass, cover every rule, and notice when a number changes."""

import re
from importlib import resources
from pathlib import Path

import pytest

from monitor.model import THRESHOLD_METRICS, AlertState, RuleKind, Slice, ThresholdRule, WindowRule
from monitor.rules import testing as ruletest
from monitor.rules.pack import SHIPPED, load_pack, load_rules, shipped_packs
from monitor.rules.test_format import read_test_file

PACKS = ("default", "medical", "quality-control", "safety")
HERE = Path()


def folder() -> Path:
    return Path(str(resources.files(SHIPPED)))


def test_the_packs_of_the_contract_ship() -> None:
    assert shipped_packs() == PACKS


@pytest.mark.parametrize("name", PACKS)
def test_the_tests_of_a_pack_pass(name: str) -> None:
    results = ruletest.run_tests(folder() / f"{name}.test.toml")
    assert [failure for result in results for failure in result.failures] == []


@pytest.mark.parametrize("name", PACKS)
def test_every_rule_of_a_pack_is_seen_firing_by_its_tests(name: str) -> None:
    rules, cases = read_test_file(folder() / f"{name}.test.toml")
    fired = {e.rule for case in cases for e in case.expected if e.state is AlertState.FIRING}
    assert fired == {rule.name for rule in rules}


@pytest.mark.parametrize("name", PACKS)
def test_the_tests_of_a_pack_fail_for_any_rule_whose_bound_moves_out_of_reach(name: str, tmp_path: Path) -> None:
    test_text = (folder() / f"{name}.test.toml").read_text(encoding="utf-8")
    (tmp_path / "pack.test.toml").write_text(re.sub(r'(?m)^pack = ".*"', 'pack = "pack.toml"', test_text))
    text = (folder() / f"{name}.toml").read_text(encoding="utf-8")
    bounds = list(
        re.finditer(r'(?m)^(above|below|longer_than|kind) = (?!"threshold"|"absence"|"disparity")(\S+)', text)
    )
    rules = load_pack(name, base=HERE)  # one bound each, in the order of the file
    for rule, bound in zip(rules, bounds, strict=True):
        metric = rule.metric if isinstance(rule, ThresholdRule) else None
        deaf = {
            "above": "1e9" if metric in ("log_loss", "label_lag_seconds") else "0.99",
            "below": "1e-9" if metric in ("auroc", "label_coverage", *THRESHOLD_METRICS) else "-0.99",
            "longer_than": '"9y"',
            "kind": '"drift"\nonly = { camera = "none" }',  # its limit lies in the evidence, so it looks elsewhere
        }[bound[1]]
        (tmp_path / "pack.toml").write_text(text[: bound.start(2)] + deaf + text[bound.end(2) :])
        results = ruletest.run_tests(tmp_path / "pack.test.toml")
        assert any(rule.name in failure for result in results for failure in result.failures), (
            f"no test noticed {bound[0]} → {deaf}"
        )


@pytest.mark.parametrize("name", PACKS)
def test_packs_use_windows_that_every_default_configuration_has_and_no_action_to_configure(name: str) -> None:
    book = load_rules([name], HERE)
    assert {rule.window for rule in book if isinstance(rule, WindowRule)} <= {"24h", "7d"}
    assert {action for rule in book for action in rule.actions} <= {"recalibrate"}
    assert all(rule.only == Slice() for rule in book)


@pytest.mark.parametrize("name", PACKS)
def test_every_rule_says_what_it_means_and_thresholds_have_hysteresis_and_a_hold(name: str) -> None:
    for rule in load_pack(name, base=HERE):
        assert rule.summary.endswith("."), rule.origin
        if rule.kind is RuleKind.THRESHOLD:
            assert rule.hold, rule.origin
            assert (rule.clear_below if rule.above is not None else rule.clear_above) is not None, rule.origin


def test_the_default_pack_asks_for_a_refit_when_ece_is_high() -> None:
    (rule,) = (rule for rule in load_pack("default", base=HERE) if rule.name == "ece-high")
    assert isinstance(rule, ThresholdRule)
    assert (rule.metric, rule.window, rule.actions) == ("ece_lower", "24h", ("recalibrate",))


@pytest.mark.parametrize("name", PACKS[1:])
def test_a_special_pack_sharpens_the_default_one(name: str) -> None:
    book = load_rules(["default", name], HERE)
    assert f'rule "ece-high" of default.toml: rule 2 is replaced by {name}.toml: rule 2' in book.overrides
    assert f'rule "calibration-drift" of default.toml: rule 1 is replaced by {name}.toml: rule 1' in book.overrides
    assert {"pulls-stale", "brier-useless"} <= {rule.name for rule in book}
