"""The shipped alerts: valid, tested firing and quiet, with severity, numbers and a runbook; and who is told."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml

from monitor.model import Severity
from tests.deploy.tools import DEPLOY, run
from tests.readme_parts import metrics_table

HERE = DEPLOY / "prometheus"
RULES = sorted((HERE / "rules").glob("*.yml"))
TESTS = sorted((HERE / "tests").glob("*.yml"))
OWN = {"CalwatchDrift", "CalwatchRuleFiring"}  # they pass on the severity of calwatch's rule


def rules_of(text: str) -> Iterator[dict[str, Any]]:
    for group in yaml.safe_load(text)["groups"]:
        yield from group["rules"]


def rules() -> Iterator[dict[str, Any]]:
    for path in RULES:
        yield from rules_of(path.read_text("utf-8"))


ALERTS = [rule for rule in rules() if "alert" in rule]
NAMES = {rule["alert"] for rule in ALERTS}
SLICED = {
    "calwatch_ece_lower", "calwatch_rule_firing", "calwatch_drift_evidence_ratio", "calwatch_calibrator_adopted",
    "calwatch_label_coverage_ratio", "calwatch_label_lag_seconds", "calwatch_threshold_promise_kept",
    "calwatch:promised_rate_upper",
}  # fmt: skip
SLICE = next(rule for rule in ALERTS if rule["alert"] == "CalwatchDrift")["labels"]["slice"]
HOLES = [
    ('{window="24h"} > 0.05', '{window="24h"} > 0.5'),  # a bound that is no longer what it was
    (
        "(calwatch_config_last_reload_success_timestamp_seconds)\n          ) >",
        "(calwatch_samples)\n          ) >",
    ),  # a hung start
    ("0 * calwatch_model_healthy", "0 * calwatch_model_info"),  # a source that was never read has no last success
    ("_total unless calwatch_", "_total and calwatch_"),  # the first pull
    ("- calwatch_config_last_reload_success_timestamp_seconds < 3600", "> 0"),  # and that of a calwatch found late
    ('outcome="failed"', 'outcome=~"failed|interrupted"'),
    ("[10m]) and last_over_time(calwatch_rule_firing[10m]) == 1)\n", "[10m]) > 9e12)\n"),  # since when
    ('{{ or $slice "all" }}', '{{ or $slice "" }}'),
    ("[7d])) > 0", "[7d])) >= 0"),
    ('bound="upper", window="24h"', 'bound="estimate", window="24h"'),  # luck is no broken promise
    ('bound="upper", window="24h"', 'bound="upper"'),
    (" >= 144", " >= 1"),  # nor is an hour, with nothing known after it
    ("[1d:10m]) == 1", "[1d:10m]) > 0"),
    ("[3d:10m]", "[1d:10m]"),  # and not knowing is no healing
    ('window="24h"} >= 0)', 'window="24h"})'),
    ('rule=~"precision-promise.*"', 'rule=~"recall-promise.*"'),  # told twice
    ('promise_kept{class=""}', "promise_kept"),
]
RECORDED = {rule["record"] for rule in rules() if "record" in rule}


@pytest.mark.server
def test_prometheus_takes_its_configuration_and_every_rule() -> None:
    checked = run("promtool", "check", "config", HERE / "prometheus.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert len(re.findall(r"SUCCESS: \d+ rules found", checked.stdout)) == len(RULES)


@pytest.mark.server
@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_the_rules_pass_their_own_tests(path: Path) -> None:
    tested = run("promtool", "test", "rules", path)
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_every_alert_is_tested_firing_and_quiet() -> None:
    firing: set[str] = set()
    quiet: set[str] = set()
    for path in TESTS:
        for test in yaml.safe_load(path.read_text("utf-8"))["tests"]:
            for expected in test["alert_rule_test"]:
                (firing if expected["exp_alerts"] else quiet).add(expected["alertname"])
    assert (firing, quiet) == (NAMES, NAMES)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: str(alert["alert"]))
def test_every_alert_says_how_bad_what_and_what_to_do(alert: dict[str, Any]) -> None:
    if alert["alert"] in OWN:
        assert "severity" not in alert["labels"]
    else:
        assert alert["labels"]["severity"] in list(Severity)
    texts = alert["annotations"]
    assert set(texts) == {"summary", "description", "runbook_url"}
    assert texts["runbook_url"] == f"deploy/runbooks/{alert['alert']}.md"
    for text in (texts["summary"], texts["description"]):
        # humanize writes 0.2 as 200m; a bare value is sixteen digits long
        assert not re.search(r"humanize\b|\{\{ \$value \}\}", text)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: str(alert["alert"]))
def test_an_alert_that_can_be_of_a_slice_names_it_in_its_text_and_in_the_label_that_inhibitions_compare(
    alert: dict[str, Any],
) -> None:
    judged = alert["expr"].split("unless on (job, instance, model) calwatch:has_rules")[0]
    asked = set(re.findall(r"\bcalwatch[_:][\w:]+", judged))
    summed = re.search(r"\b(?:sum|max) by", judged)
    names = bool(SLICED & asked) and not summed
    text = alert["annotations"]["description"]
    assert ("range $name, $value := $labels" in text) is names
    label = alert.get("labels", {}).get("slice")
    assert (label is not None) is names
    if label is not None:
        assert label == SLICE
        assert text.startswith(SLICE.removesuffix('{{ or $slice "all" }}').removesuffix("{{ end }}"))


@pytest.mark.server
@pytest.mark.parametrize(("was", "would_be"), HOLES, ids=range(len(HOLES)))
def test_the_rule_tests_notice(was: str, would_be: str, tmp_path: Path) -> None:
    """What rules must not fall back to: each hole was there once. Tests of what it changes are asked first, of no more rules
    than those take, with which they pass without the hole."""
    mutants = {path: path.read_text("utf-8").replace(was, would_be) for path in RULES}
    changed = {
        _name(rule)
        for path, mutant in mutants.items()
        for rule, other in zip(rules_of(path.read_text("utf-8")), rules_of(mutant), strict=True)
        if rule != other
    }
    assert changed, was
    asking = frozenset(changed | {rule["alert"] for rule in ALERTS if any(name in rule["expr"] for name in changed)})
    for path in TESTS:
        if _tests_of(path, asking)["tests"]:
            assert _pass_with(asking, path), "no more rules than these tests take are not enough"
            if not _tested(
                tmp_path / path.stem, {each: _only(text, asking) for each, text in mutants.items()}, path, asking
            ):
                return
    assert not all(_tested(tmp_path / "whole", mutants, path) for path in TESTS), "no test of the rules notices"


def _tests_of(path: Path, names: frozenset[str]) -> dict[str, Any]:
    """The file of tests, with what it expects of the alerts of these names."""
    held: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    for test in held["tests"]:
        test["alert_rule_test"] = [each for each in test["alert_rule_test"] if each["alertname"] in names]
    held["tests"] = [test for test in held["tests"] if test["alert_rule_test"]]
    return held


@cache
def _pass_with(names: frozenset[str], path: Path) -> bool:
    """Whether the tests of the alerts of these names pass with the rules that those take, and no others."""
    with TemporaryDirectory() as folder:
        return _tested(Path(folder), {each: _only(each.read_text("utf-8"), names) for each in RULES}, path, names)


def _tested(folder: Path, texts: dict[Path, str], path: Path, names: frozenset[str] = frozenset(NAMES)) -> bool:
    """Whether the tests pass with these files of rules, written to ``folder``."""
    (folder / "rules").mkdir(parents=True, exist_ok=True)
    (folder / "tests").mkdir(exist_ok=True)
    for each, text in texts.items():
        (folder / "rules" / each.name).write_text(text, "utf-8")
    copy = folder / "tests" / path.name
    copy.write_text(yaml.safe_dump(_tests_of(path, names), allow_unicode=True), "utf-8")
    return run("promtool", "test", "rules", copy).returncode == 0


def _name(rule: dict[str, Any]) -> str:
    return str(rule.get("alert") or rule["record"])


def _only(text: str, names: frozenset[str]) -> str:
    """The file of rules with those of these names, and the recorded ones that they ask for."""
    needed, before = set(names), set[str]()
    while needed != before:
        before = set(needed)
        asked = " ".join(rule["expr"] for rule in rules() if _name(rule) in needed)
        needed |= {name for name in RECORDED if name in asked}
    held = yaml.safe_load(text)
    for group in held["groups"]:
        group["rules"] = [rule for rule in group["rules"] if _name(rule) in needed]
    return str(yaml.safe_dump(held, allow_unicode=True))


def test_each_alert_has_one_name() -> None:
    assert len(NAMES) == len(ALERTS)


def test_rules_ask_only_for_series_that_there_are() -> None:
    known = set(re.findall(r"`(calwatch_\w+)`", metrics_table()))
    known |= {f"{name}_bucket" for name in known} | RECORDED | {"up"}
    for rule in rules():
        asked = set(re.findall(r"\b(?:calwatch[_:][\w:]+|up)\b", rule["expr"]))
        assert asked, rule
        assert asked <= known, f"{rule.get('alert') or rule['record']} asks for {sorted(asked - known)}"


@pytest.mark.server
def test_alertmanager_takes_its_configuration() -> None:
    checked = run("amtool", "check-config", HERE / "alertmanager.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.server
@pytest.mark.parametrize(("severity", "receiver"), [("page", "pager"), ("ticket", "tickets"), ("info", "log")])
def test_each_severity_has_a_receiver_of_its_own(severity: str, receiver: str) -> None:
    path = HERE / "alertmanager.yml"
    routed = run("amtool", "config", "routes", "test", f"--config.file={path}", f"severity={severity}")
    assert routed.stdout.strip() == receiver


def test_inhibitions_name_alerts_that_there_are() -> None:
    held = yaml.safe_load((HERE / "alertmanager.yml").read_text("utf-8"))["inhibit_rules"]
    named = set(re.findall(r"Calwatch\w+", str(held)))
    assert named, "no inhibition names an alert"
    assert named <= NAMES


@pytest.mark.server
@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_nothing_that_is_played_alerts(path: Path, tmp_path: Path) -> None:
    """Each of the rules' own tests once more, of instances that show what a demo or a backtest played."""
    held = yaml.safe_load(path.read_text("utf-8"))
    held["rule_files"] = [str((path.parent / each).resolve()) for each in held["rule_files"]]
    quiet = 0
    for test in held["tests"]:
        found = {
            tuple(re.findall(r'\b(?:job|instance)="[^"]*"', each["series"]))
            for each in test["input_series"] if "calwatch_" in each["series"]
        }  # fmt: skip
        test["input_series"] += [
            {"series": "calwatch_played{" + ", ".join(labels) + "}", "values": "1x20000"} for labels in sorted(found)
        ]
        for expected in test["alert_rule_test"]:
            if expected["alertname"] != "CalwatchDown":
                quiet += bool(expected["exp_alerts"])
                expected["exp_alerts"] = []
    assert quiet
    copy = tmp_path / path.name
    copy.write_text(yaml.safe_dump(held), "utf-8")
    tested = run("promtool", "test", "rules", copy)
    assert tested.returncode == 0, tested.stdout + tested.stderr
