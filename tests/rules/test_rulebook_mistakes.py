"""Bad rule packs: the full text of the errors."""

from pathlib import Path

import pytest

from monitor.model import COUNTS, METRICS
from monitor.model.errors import ConfigError
from monitor.rules.pack import load_pack, load_rules, parse_pack
from tests.worlds.mistakes import without_lines
from tests.worlds.rule_texts import absence, disparity, drift, threshold

BAD = {
    "duration without a unit": (
        threshold(for_='"30"'),
        'p.toml: rule 1 "r": for must be a duration such as "30m" (got "30")',
    ),
    "duration as a number": (
        threshold(keep_firing_for="30"),
        'p.toml: rule 1 "r": keep_firing_for must be a duration such as "30m" (got 30)',
    ),
    "duration beyond all time": (
        threshold(cooldown='"9999999y"'),
        'p.toml: rule 1 "r": cooldown must be a duration such as "30m" (got "9999999y")',
    ),
    "cooldown of nothing": (
        threshold(cooldown='"0s"'),
        'p.toml: rule 1 "r": cooldown must be longer than nothing (got "0s")',
    ),
    "misspelt key": (
        threshold(treshold="0.1", min_sample="3"),
        'p.toml: rule 1 "r": unknown key "treshold"\n'
        'p.toml: rule 1 "r": unknown key "min_sample", did you mean "min_samples"?',
    ),
    "misspelt metric": (
        threshold(metric='"ece_lowr"'),
        'p.toml: rule 1 "r": unknown metric "ece_lowr", did you mean "ece_lower"?',
    ),
    "foreign metric": (
        threshold(metric='"zzz"'),
        'p.toml: rule 1 "r": unknown metric "zzz"; one of ece, ece_debiased, ece_lower, ece_upper, ece_null_quantile, '
        "ece_squared_debiased, ece_squared_lower, ece_squared_upper, mce, smooth_ece, calibration_gap, gap_lower, "
        "gap_upper, brier_score, brier_reliability, brier_resolution, brier_uncertainty, log_loss, auroc, "
        "outcome_rate, mean_score, threshold_precision, threshold_precision_lower, threshold_precision_upper, "
        "threshold_recall, threshold_recall_lower, threshold_recall_upper, iou, threshold_f1, truths, "
        "labelled_images, recall_ceiling, fp_per_image, ece_above_threshold, laece, average_precision, "
        "average_precision_50, samples, unlabelled, label_coverage, label_lag_seconds",
    ),
    "metric that is no text": (threshold(metric="3"), 'p.toml: rule 1 "r": metric must be text (got 3)'),
    "no metric, window or severity": (
        threshold(metric="", window="", severity=""),
        'p.toml: rule 1 "r": severity is missing: "info", "ticket" or "page"\n'
        'p.toml: rule 1 "r": metric is missing: such as "ece_lower"\n'
        'p.toml: rule 1 "r": window is missing: such as "24h"',
    ),
    "bound as text": (threshold(above='"0.1"'), 'p.toml: rule 1 "r": above must be a finite number (got "0.1")'),
    "bound that is nan": (threshold(above="nan"), 'p.toml: rule 1 "r": above must be a finite number (got nan)'),
    "bound that is true": (threshold(above="true"), 'p.toml: rule 1 "r": above must be a finite number (got true)'),
    "no bound": (threshold(above=""), 'p.toml: rule 1 "r": give either above or below (neither is there)'),
    "two bounds": (threshold(below="0.01"), 'p.toml: rule 1 "r": give either above or below (both are there)'),
    "clearing above the bound": (
        threshold(clear_below="0.2"),
        'p.toml: rule 1 "r": clear_below must not exceed above (got 0.2 and 0.1)',
    ),
    "clearing below the bound": (
        threshold(above="", below="0.1", clear_above="0.05"),
        'p.toml: rule 1 "r": clear_above must not be less than below (got 0.05 and 0.1)',
    ),
    "clearing on the wrong side": (
        threshold(clear_above="0.2"),
        'p.toml: rule 1 "r": clear_above goes with below; with above, write clear_below',
    ),
    "clearing on the other wrong side": (
        threshold(above="", below="0.1", clear_below="0.05"),
        'p.toml: rule 1 "r": clear_below goes with above; with below, write clear_above',
    ),
    "percent instead of a share": (
        threshold(above="5"),
        'p.toml: rule 1 "r": above 5 can never hold: ece lies between 0 and 1',
    ),
    "negative count": (
        threshold(metric='"samples"', above="", below="0"),
        'p.toml: rule 1 "r": below 0 can never hold: samples is never below 0',
    ),
    "min_samples that silences": (
        threshold(metric='"label_coverage"', above="", below="0.1", min_samples="10"),
        'p.toml: rule 1 "r": min_samples counts labelled samples and would silence a rule on '
        'label_coverage when it matters',
    ),
    "fractional min_samples": (
        threshold(min_samples="1.5"),
        'p.toml: rule 1 "r": min_samples must be a whole number of 0 or more (got 1.5)',
    ),
    "window that is no duration": (
        threshold(window='"day"'),
        'p.toml: rule 1 "r": window must be a duration such as "30m" (got "day")',
    ),
    "kind of a later version": (
        threshold(kind='"season"'),
        'p.toml: rule 1 "r": kind "season" is not one this version knows ("threshold", "absence", "drift" and "disparity")',
    ),
    "misspelt kind": (
        threshold(kind='"treshold"'),
        'p.toml: rule 1 "r": kind "treshold" is not one this version knows ("threshold", "absence", "drift" and "disparity"), '
        'did you mean "threshold"?',
    ),
    "drift rule that names a metric": (
        drift(metric='"ece_lower"', window='"24h"'),
        'p.toml: rule 1 "d": metric belongs to kind "threshold", and this rule is of kind "drift"\n'
        'p.toml: rule 1 "d": window belongs to kind "threshold" or "disparity", and this rule is of kind "drift"',
    ),
    "threshold rule with a budget": (
        threshold(false_alarms='"1/year"'),
        'p.toml: rule 1 "r": false_alarms belongs to kind "drift", and this rule is of kind "threshold"',
    ),
    "absence rule with a tolerance": (
        absence(tolerance="{ odds = 1.1 }"),
        'p.toml: rule 1 "a": tolerance belongs to kind "drift", and this rule is of kind "absence"',
    ),
    "threshold on evidence": (
        threshold(metric='"drift_evidence_ratio"'),
        f'p.toml: rule 1 "r": unknown metric "drift_evidence_ratio"; one of {", ".join((*METRICS, *COUNTS))}',
    ),
    "false alarms: an hour": (
        drift(false_alarms='"1/hour"'),
        'p.toml: rule 1 "d": false_alarms must be a number per year, month, week or day, such as "1/year", at most "1/day" '
        '(got "1/hour")',
    ),
    "false alarms: no alarm ever": (
        drift(false_alarms='"0/year"'),
        'p.toml: rule 1 "d": false_alarms must be a number per year, month, week or day, such as "1/year", at most "1/day" '
        '(got "0/year")',
    ),
    "false alarms: more than one a day": (
        drift(false_alarms='"2/day"'),
        'p.toml: rule 1 "d": false_alarms must be a number per year, month, week or day, such as "1/year", at most "1/day" '
        '(got "2/day")',
    ),
    "false alarms: a budget as a number": (
        drift(false_alarms='5'),
        'p.toml: rule 1 "d": false_alarms must be a number per year, month, week or day, such as "1/year", at most "1/day" '
        '(got 5)',
    ),
    "tolerance as text": (
        drift(tolerance='"1.1"'),
        'p.toml: rule 1 "d": tolerance must be { odds = 1.1 }, { probability = 0.02 } or {} for none (got "1.1")',
    ),
    "tolerance of two kinds": (
        drift(tolerance='{ odds = 1.1, probability = 0.1 }'),
        'p.toml: rule 1 "d": tolerance must be { odds = 1.1 }, { probability = 0.02 } or {} for none (got both)',
    ),
    "tolerance misspelt": (
        drift(tolerance='{ oods = 1.1 }'),
        'p.toml: rule 1 "d": unknown key "tolerance.oods", did you mean "odds"?',
    ),
    "tolerance below one": (
        drift(tolerance="{ odds = 0.9 }"),
        'p.toml: rule 1 "d": tolerance.odds must be a factor of at least 1 (got 0.9)',
    ),
    "tolerance that is true": (
        drift(tolerance="{ odds = true }"),
        'p.toml: rule 1 "d": tolerance.odds must be a factor of at least 1 (got true)',
    ),
    "tolerance that is a percent": (
        drift(tolerance="{ probability = 2 }"),
        'p.toml: rule 1 "d": tolerance.probability must lie between 0 and 1 (got 2)',
    ),
    "tolerance that is negative": (
        drift(tolerance="{ probability = -0.1 }"),
        'p.toml: rule 1 "d": tolerance.probability must lie between 0 and 1 (got -0.1)',
    ),
    "disparity of the whole": (
        disparity(slices='"all"'),
        'p.toml: rule 1 "w": slices "all" has no rest to be compared with: use "marginals", "crosses" or both',
    ),
    "disparity of the whole among others": (
        disparity(slices='["all", "crosses"]'),
        'p.toml: rule 1 "w": slices "all" has no rest to be compared with: use "marginals", "crosses" or both',
    ),
    "disparity without its measure and window": (
        disparity(measure="", window=""),
        'p.toml: rule 1 "w": measure is missing: "gap" or "error"\np.toml: rule 1 "w": window is missing: such as "24h"',
    ),
    "disparity of an unknown measure": (
        disparity(measure='"ece"'),
        'p.toml: rule 1 "w": measure must be "gap" or "error" (got "ece")',
    ),
    "disparity by a misspelt key": (
        disparity(mesure='"gap"', levle="0.01"),
        'p.toml: rule 1 "w": unknown key "mesure", did you mean "measure"?\n'
        'p.toml: rule 1 "w": unknown key "levle", did you mean "level"?',
    ),
    "disparity of a metric": (
        disparity(metric='"ece_lower"'),
        'p.toml: rule 1 "w": metric belongs to kind "threshold", and this rule is of kind "disparity"',
    ),
    "disparity at a level in percent": (
        disparity(level="5"),
        'p.toml: rule 1 "w": level must be a probability above 0 and at most 0.25, of naming any slice wrongly (got 5)',
    ),
    "disparity at level zero": (
        disparity(level="0.0"),
        'p.toml: rule 1 "w": level must be a probability above 0 and at most 0.25, of naming any slice wrongly (got 0.0)',
    ),
    "disparity above less than nothing": (
        disparity(above="-0.02"),
        'p.toml: rule 1 "w": above must be a difference of at least 0 and below 1: how much worse than the rest is too '
        "much (got -0.02)",
    ),
    "disparity above a percentage": (
        disparity(above="2"),
        'p.toml: rule 1 "w": above must be a difference of at least 0 and below 1: how much worse than the rest is too '
        "much (got 2)",
    ),
    "threshold at a level": (
        threshold(level="0.05"),
        'p.toml: rule 1 "r": level belongs to kind "disparity", and this rule is of kind "threshold"',
    ),
    "kind of a later version, and more that no kind takes": (
        threshold(kind='"season"', name='"ece high"', severity='"bad"', for_='"x"', foo="1", metric=""),
        'p.toml: rule 1 "ece high": name must be letters, digits, ".", "_" and "-" (got "ece high")\n'
        'p.toml: rule 1 "ece high": severity must be "info", "ticket" or "page" (got "bad")\n'
        'p.toml: rule 1 "ece high": for must be a duration such as "30m" (got "x")\n'
        'p.toml: rule 1 "ece high": kind "season" is not one this version knows ("threshold", "absence", "drift" and '
        '"disparity")\n'
        'p.toml: rule 1 "ece high": unknown key "foo", did you mean "for"?',
    ),
    "a name that is no text among actions": (
        threshold(actions='["recalibrate", 3]'),
        'p.toml: rule 1 "r": actions[2] must be text (got 3)',
    ),
    "a rule that is no table": ("rule = [3]", "p.toml: rule[1] must be a table (got 3)"),
    "no rule in a list of none": ("rule = []", "p.toml: has no [[rule]]"),
    "two bounds, one of them wrong": (
        threshold(above='"x"', below="0.1"),
        'p.toml: rule 1 "r": above must be a finite number (got "x")\n'
        'p.toml: rule 1 "r": give either above or below (both are there)',
    ),
    "no kind": (threshold(kind=""), 'p.toml: rule 1 "r": kind is missing: "threshold", "absence", "drift" or "disparity"'),
    "key of the other kind": (
        absence(above="0.1"),
        'p.toml: rule 1 "a": above belongs to kind "threshold" or "disparity", and this rule is of kind "absence"',
    ),
    "absence of nothing known": (
        absence(of='"frames"'),
        'p.toml: rule 1 "a": of must be "samples", "labels" or "pulls" (got "frames")',
    ),
    "absence without a length": (absence(longer_than=""), 'p.toml: rule 1 "a": longer_than is missing: such as "2h"'),
    "pulls of a slice": (
        absence(of='"pulls"', slices='"marginals"'),
        'p.toml: rule 1 "a": slices does not go with of = "pulls": a pull brings all slices',
    ),
    "severity unknown": (
        threshold(severity='"warning"'),
        'p.toml: rule 1 "r": severity must be "info", "ticket" or "page" (got "warning")',
    ),
    "slices unknown": (
        threshold(slices='["all", "pairs"]'),
        'p.toml: rule 1 "r": slices must be "all", "marginals" or "crosses", or a list of them (got "pairs")',
    ),
    "no slices at all": (
        threshold(slices="[]"),
        'p.toml: rule 1 "r": slices must be "all", "marginals" or "crosses", or a list of them (got a list)',
    ),
    "only that is no table": (
        threshold(only='"c3"'),
        'p.toml: rule 1 "r": only must be a table such as { camera = "c3" } (got "c3")',
    ),
    "only with a number": (threshold(only="{ camera = 3 }"), 'p.toml: rule 1 "r": only.camera must be text (got 3)'),
    "only outside slices": (
        threshold(slices='"all"', only='{ camera = "c3" }'),
        'p.toml: rule 1 "r": slices leaves out every slice inside only (camera=c3)',
    ),
    "actions that are no list": (
        threshold(actions='"recalibrate"'),
        'p.toml: rule 1 "r": actions must be a list of names such as ["recalibrate"] (got "recalibrate")',
    ),
    "action named twice": (
        threshold(actions='["tell", "tell"]'),
        'p.toml: rule 1 "r": actions names "tell" twice',
    ),
    "no name": (threshold(name=""), "p.toml: rule 1: name is missing"),
    "name with a space": (
        threshold(name='"ece high"'),
        'p.toml: rule 1 "ece high": name must be letters, digits, ".", "_" and "-" (got "ece high")',
    ),
    "two of a name": (threshold() + threshold(), 'p.toml: rule 2 "r": has the name of rule 1'),
    "misspelt table": ('[[rules]]\nname = "r"', 'p.toml: unknown key "rules", did you mean "rule"?'),
    "single brackets": ('[rule]\nname = "r"', "p.toml: rule must be written as [[rule]] (got a table)"),
    "nothing": ("# later\n", "p.toml: has no [[rule]]"),
    "not TOML": (
        '[[rule]]\nname "r"',
        "p.toml: line 2, column 6: not TOML: Expected '=' after a key in a key/value pair",
    ),
    "not TOML at its end": ('[[rule]]\nname =', "p.toml: line 2, column 7: not TOML: Invalid value"),
    "mistakes in several rules": (
        threshold(for_='"30"', severity='"x"') + absence(of='"x"'),
        'p.toml: rule 1 "r": severity must be "info", "ticket" or "page" (got "x")\n'
        'p.toml: rule 1 "r": for must be a duration such as "30m" (got "30")\n'
        'p.toml: rule 2 "a": of must be "samples", "labels" or "pulls" (got "x")',
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_pack_is_told_with_place_value_and_remedy(name: str) -> None:
    text, message = BAD[name]
    with pytest.raises(ConfigError) as caught:
        parse_pack(text, "p.toml")
    assert without_lines(caught.value.mistakes) == message.split("\n")
    assert str(caught.value) == "\n".join(caught.value.mistakes)


def test_all_mistakes_of_all_packs_come_in_one_error(tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text(threshold(for_='"x"'))
    (tmp_path / "two.toml").write_text(absence(of='"x"'))
    with pytest.raises(ConfigError) as caught:
        load_rules(["one.toml", "defualt", "two.toml", "sub/three.toml"], tmp_path)
    assert without_lines(caught.value.mistakes) == [
        'one.toml: rule 1 "r": for must be a duration such as "30m" (got "x")',
        'rule pack "defualt" does not ship with calwatch, did you mean "default"?',
        'two.toml: rule 1 "a": of must be "samples", "labels" or "pulls" (got "x")',
        "sub/three.toml: no such file",
    ]
    assert caught.value.hint == (
        'use one of "default", "medical", "quality-control" or "safety", or a path that ends in .toml; '
        f"check the path: looked for {tmp_path}/sub/three.toml"
    )


def test_a_pack_that_is_not_text_or_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b"# gr\xfcn")
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(ConfigError, match=r"^latin\.toml: not UTF-8 text \(byte 4\)$"):
        load_pack("latin.toml", base=tmp_path)
    with pytest.raises(ConfigError, match=r"^folder\.toml: cannot be read: Is a directory$"):
        load_pack("folder.toml", base=tmp_path)
