"""Rule packs: what is read from a good one, and which rules a model gets."""

from datetime import timedelta
from pathlib import Path

import pytest

from monitor.config.settings import parse_config
from monitor.model import AbsenceRule, DisparityRule, DriftRule, Severity, Slice, ThresholdRule
from monitor.model.errors import ConfigError
from monitor.rules import pack as rulebook
from monitor.rules.offered import read_rules
from monitor.rules.pack import load_pack, load_rules, parse_pack, shipped_packs
from tests.worlds.rule_texts import absence, disparity, drift, threshold

FULL = """
[[rule]]
name = "ece-high"
kind = "threshold"
metric = "ece_lower"
above = 0.05
clear_below = 0.03
window = "24h"
for = "30m"
keep_firing_for = "1h30m"
min_samples = 200
severity = "ticket"
summary = "off"
actions = ["recalibrate", "tell"]
cooldown = "12h"
slices = ["all", "crosses"]
only = { lighting = "night", camera = "c3" }

[[rule]]
name = "quiet"
kind = "absence"
of = "samples"
longer_than = "2h"
severity = "page"
"""


def test_every_key_of_a_rule_reaches_its_field() -> None:
    first, second = parse_pack(FULL, "site.toml")
    assert first == ThresholdRule(
        name="ece-high",
        severity=Severity.TICKET,
        origin="site.toml: rule 1",
        summary="off",
        actions=("recalibrate", "tell"),
        cooldown=timedelta(hours=12),
        hold=timedelta(minutes=30),
        keep_firing_for=timedelta(minutes=90),
        orders=(0, 2),
        only=Slice((("camera", "c3"), ("lighting", "night"))),
        metric="ece_lower",
        above=0.05,
        clear_below=0.03,
        window="24h",
        min_samples=200,
    )
    assert second == AbsenceRule(
        name="quiet",
        severity=Severity.PAGE,
        origin="site.toml: rule 2",
        orders=(0,),
        absent="samples",
        longer_than=timedelta(hours=2),
    )


def test_a_threshold_covers_all_slices_unless_told_and_an_absence_only_the_slice_it_names() -> None:
    assert parse_pack(threshold(), "p.toml")[0].orders == (0, 1, 2)
    assert parse_pack(threshold(slices='"marginals"'), "p.toml")[0].orders == (1,)
    assert parse_pack(absence(), "p.toml")[0].orders == (0,)
    assert parse_pack(absence(only='{ camera = "c3" }'), "p.toml")[0].orders == (1,)
    assert parse_pack(absence(slices='["marginals", "all"]'), "p.toml")[0].orders == (0, 1)


def test_every_key_of_a_disparity_reaches_its_field_and_the_whole_is_never_compared() -> None:
    keys = {"above": "0.02", "level": "0.01", "min_samples": "300", "only": '{ lighting = "night" }', "for": '"6h"'}
    plain, full = parse_pack(disparity() + disparity(name='"x"', measure='"error"', **keys), "p.toml")
    assert plain == DisparityRule(
        name="w",
        severity=Severity.TICKET,
        origin="p.toml: rule 1",
        orders=(1, 2),
        above=0.0,
        window="7d",
        measure="gap",
        level=0.05,
    )
    assert isinstance(full, DisparityRule)
    assert (full.measure, full.above, full.level, full.min_samples) == ("error", 0.02, 0.01, 300)
    assert (full.only, full.hold) == (Slice.of({"lighting": "night"}), timedelta(hours=6))
    (marginals,) = parse_pack(disparity(slices='"marginals"'), "p.toml")
    assert marginals.orders == (1,)


def test_a_drift_rule_has_one_false_alarm_a_year_and_a_tenth_of_odds_unless_told() -> None:
    assert parse_pack(drift(), "p.toml") == (
        DriftRule(
            name="d",
            severity=Severity.PAGE,
            origin="p.toml: rule 1",
            orders=(0, 1, 2),
            false_alarms_per_year=1.0,
            tolerance_odds=1.1,
        ),
    )


@pytest.mark.parametrize(
    ("keys", "odds", "probability"),
    [
        ({"severity": '"ticket"'}, 1.1, None),
        ({"severity": '"info"'}, None, None),  # who only takes notes wants to know of all
        ({"severity": '"info"', "tolerance": "{ odds = 1.3 }"}, 1.3, None),
        ({"tolerance": "{ odds = 1 }"}, 1.0, None),
        ({"tolerance": "{ probability = 0.02 }"}, None, 0.02),
        ({"tolerance": "{}"}, None, None),
    ],
)
def test_a_tolerance_is_of_odds_or_of_probability_or_none(
    keys: dict[str, str], odds: float | None, probability: float | None
) -> None:
    (rule,) = parse_pack(drift(**keys), "p.toml")
    assert isinstance(rule, DriftRule)
    assert (rule.tolerance_odds, rule.tolerance_probability) == (odds, probability)


@pytest.mark.parametrize(
    ("text", "per_year"), [("1/month", 12.0), ("0.1/year", 0.1), ("2/week", 2 * 365 / 7), ("1/day", 365.0)]
)
def test_false_alarms_count_per_year(text: str, per_year: float) -> None:
    (rule,) = parse_pack(drift(false_alarms=f'"{text}"'), "p.toml")
    assert isinstance(rule, DriftRule)
    assert rule.false_alarms_per_year == pytest.approx(per_year)


def test_a_later_pack_takes_the_place_of_a_rule_of_the_same_name_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text(threshold() + absence())
    (tmp_path / "two.toml").write_text(threshold(above="0.2"))
    book = load_rules(["one.toml", "two.toml"], tmp_path)
    assert [(rule.name, getattr(rule, "above", None), rule.origin) for rule in book] == [
        ("r", 0.2, "two.toml: rule 1"),
        ("a", None, "one.toml: rule 2"),
    ]
    assert book.overrides == ('rule "r" of one.toml: rule 1 is replaced by two.toml: rule 1',)
    assert len(book) == 2


def test_a_bare_name_is_a_shipped_pack_and_never_a_file_of_that_name(tmp_path: Path) -> None:
    (tmp_path / "default").write_text(threshold())
    assert load_pack("default", base=tmp_path)[0].origin == "default.toml: rule 1"
    assert shipped_packs() == ("default", "medical", "quality-control", "safety")


def test_rule_tests_are_no_packs(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not ship with calwatch"):
        load_pack("default.test", base=tmp_path)


def test_missing_shipped_packs_are_told_and_not_searched_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rulebook, "SHIPPED", "monitor.absent_rulepacks")
    with pytest.raises(ConfigError) as caught:
        load_pack("default", base=tmp_path)
    assert caught.value.message == (
        "the rule packs that ship with calwatch are not installed (no package monitor.absent_rulepacks)"
    )
    assert caught.value.hint == "install calwatch, in a source tree with: pip install -e ."


def _lacks(folder: Path, windows: list[str], dimensions: list[str], action: str) -> list[str]:
    text = (
        f'[[model]]\nname = "m"\ntask = "binary"\nwindows = {windows}\nslices = {dimensions}\nrules = ["p.toml"]\n'
        f'source = {{ path = "x" }}\n[[action]]\nname = "{action}"\nkind = "command"\ncommand = ["true"]\n'
    )
    return read_rules(parse_config(text, "calwatch.toml", folder))[1]


def test_a_model_is_told_which_windows_dimensions_and_actions_its_rules_miss(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(
        threshold(window='"7d"', only='{ camara = "c3" }', actions='["recalibrate", "notify-oncal"]')
    )
    assert _lacks(tmp_path, windows=["1h", "24h"], dimensions=["camera"], action="notify-oncall") == [
        'model "m": p.toml:7: rule 1 "r": window "7d" is none of the model\'s windows ("1h" or "24h")',
        'model "m": p.toml:8: rule 1 "r": only.camara: "camara" is no slice dimension of the model, did you mean "camera"?',
        'model "m": p.toml:9: rule 1 "r": unknown action "notify-oncal", did you mean "notify-oncall"?',
    ]
    assert _lacks(tmp_path, windows=["7d"], dimensions=["camara"], action="notify-oncal") == []
