"""Rule tests: what a file may say, what passes, what fails and with which words."""

from pathlib import Path

import pytest

from monitor.model.errors import ConfigError
from monitor.rules import testing as ruletest
from monitor.rules.test_format import expand_values
from tests.worlds.mistakes import without_lines

PACK = """
[[rule]]
name = "ece-high"
kind = "threshold"
metric = "ece_lower"
above = 0.05
window = "24h"
for = "1h"
min_samples = 200
severity = "ticket"
actions = ["recalibrate"]

[[rule]]
name = "quiet"
kind = "absence"
of = "samples"
longer_than = "2h"
severity = "page"

[[rule]]
name = "drift"
kind = "drift"
severity = "page"

[[rule]]
name = "worse"
kind = "disparity"
measure = "gap"
above = 0.02
window = "7d"
min_samples = 100
severity = "info"
"""
SERIES = """
pack = "p.toml"
[[test]]
name = "t"
start = 2026-01-01T00:00:00Z
interval = "1h"
  [[test.series]]
  slice = "camera=c3"
  window = "24h"
  metric = "ece_lower"
  values = "0.01x2 0.09x4"
  [[test.series]]
  slice = "camera=c4"
  window = "24h"
  metric = "ece_lower"
  values = "0.09x6"
  samples = "100x3 300x3"
"""


def expect(**keys: str) -> str:
    return "  [[test.expect]]\n" + "".join(f"  {key} = {value}\n" for key, value in keys.items())


def outcome(folder: Path, text: str) -> list[ruletest.TestResult]:
    (folder / "p.toml").write_text(PACK)
    (folder / "p.test.toml").write_text(text)
    return ruletest.run_tests(folder / "p.test.toml")


def mistakes(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        outcome(folder, text)
    return without_lines(caught.value.mistakes)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0.5", (0.5,)),
        ("0.01x3", (0.01, 0.01, 0.01)),
        ("0.1+0.1x3", (0.1, 0.2, 0.3)),
        ("0.3-0.1x3", (0.3, 0.2, 0.1)),
        ("-1-1x2 _ _x2 7", (-1.0, -2.0, None, None, None, 7.0)),
        ("1e-3x2", (0.001, 0.001)),
        ("1e-3+1e-3x2", (0.001, 0.002)),
        ("5x0", ()),
        ("", ()),
    ],
)
def test_values_expand_as_documented(text: str, values: tuple[float | None, ...]) -> None:
    assert expand_values(text) == values


@pytest.mark.parametrize("term", ["x3", "0.1x", "0.1+0.1", "_+1x3", "nan", "1,2", "0.1 x3", "--1"])
def test_a_term_that_is_no_value_is_told(term: str) -> None:
    with pytest.raises(ValueError, match="is not a number"):
        expand_values(term)


def test_an_endless_series_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 100,000 values"):
        expand_values("1x100001")


def test_a_test_whose_expectations_hold_passes(tmp_path: Path) -> None:
    (result,) = outcome(
        tmp_path,
        SERIES
        + expect(at='"2h"', rule='"ece-high"', slice='"camera=c3"', state='"pending"', health='"ok"')
        + expect(at='"3h"', rule='"ece-high"', slice='"camera=c3"', state='"firing"', actions='["recalibrate"]'),
    )
    assert result == ruletest.TestResult("t", 'p.test.toml: test 1 "t"', ())
    assert result.has_passed


def test_every_difference_is_told_with_expected_and_got(tmp_path: Path) -> None:
    (result,) = outcome(
        tmp_path,
        SERIES
        + expect(at='"3h"', rule='"ece-high"', slice='"camera=c3"', state='"pending"', actions="[]")
        + expect(at='"3h"', rule='"ece-high"', slice='"camera=c5"', state='"firing"', reason='"none"'),
    )
    assert not result.has_passed
    why = "(ece_lower 0.09 is above 0.05 over 24h (1,000 samples) since 2026-01-01 02:00 UTC)"
    assert result.failures == (
        f'at 3h, rule "ece-high", slice camera=c3: state expected "pending", got "firing" {why}',
        f'at 3h, rule "ece-high", slice camera=c3: actions expected [], got ["recalibrate"] {why}',
        'at 3h, rule "ece-high", slice camera=c5: state expected "firing", got "inactive" (no alert)',
        'at 3h, rule "ece-high", slice camera=c5: reason expected "none", got ""',
    )


def test_an_alert_of_the_tested_rule_that_fires_unexpectedly_fails_the_test(tmp_path: Path) -> None:
    (result,) = outcome(tmp_path, SERIES + expect(at='"4h"', rule='"ece-high"', slice='"camera=c3"', state='"firing"'))
    assert result.failures == (
        'at 4h, rule "ece-high", slice camera=c4: not expected, got "firing" '
        "(ece_lower 0.09 is above 0.05 over 24h (300 samples) since 2026-01-01 03:00 UTC)",
    )


def test_versions_are_apart(tmp_path: Path) -> None:
    second = SERIES.replace('slice = "camera=c4"', 'slice = "camera=c3"\n  version = "v2"')
    (result,) = outcome(tmp_path, second + expect(at='"4h"', rule='"ece-high"', slice='"camera=c3"', state='"firing"'))
    assert len(result.failures) == 1
    assert "slice camera=c3, version v2: not expected" in result.failures[0]
    both = expect(at='"4h"', rule='"ece-high"', slice='"camera=c3"', state='"firing"')
    both += expect(at='"4h"', rule='"ece-high"', slice='"camera=c3"', version='"v2"', state='"firing"')
    assert outcome(tmp_path, second + both)[0].has_passed


def test_two_series_of_a_window_make_one_reading_and_a_gap_in_one_leaves_that_metric_unknown(tmp_path: Path) -> None:
    text = SERIES.replace('slice = "camera=c4"', 'slice = "camera=c3"').replace(
        'metric = "ece_lower"\n  values = "0.09x6"', 'metric = "ece"\n  values = "0.1x9"'
    )
    text = text.replace("100x3 300x3", "300x9")
    (result,) = outcome(
        tmp_path,
        text + expect(at='"8h"', rule='"ece-high"', slice='"camera=c3"', state='"firing"', health='"unknown"'),
    )
    assert result.failures == ()


EVIDENCE = """
pack = "p.toml"
[[test]]
name = "t"
start = 2026-01-01T00:00:00Z
interval = "1h"
  [[test.series]]
  slice = "camera=c3"
  metric = "drift_evidence_ratio"
  values = "_x2 0.4x2 1.6 _x3 0.999 1 0.1x300"
"""


def test_evidence_of_one_and_more_is_an_alarm_at_that_step_and_stays_the_newest(tmp_path: Path) -> None:
    def reason(ratio: str, samples: str) -> str:
        return (
            f'"Scores of camera=c3 are over-confident since about 2026-01-01 02:00 UTC ({samples}). The evidence reached '
            f"{ratio} times what raises an alarm; a calibrated model raises such an alarm at most once a year over all its "
            'slices. In force since 2026-01-01 04:00 UTC"'
        )

    first, later = "1,000 labelled samples since", "newest alarm 2026-01-01 09:00 UTC, on 1,000 labelled samples"

    c3 = {"rule": '"drift"', "slice": '"camera=c3"'}
    (result,) = outcome(
        tmp_path,
        EVIDENCE
        + expect(at='"3h"', state='"inactive"', **c3)
        + expect(at='"4h"', state='"firing"', **c3)
        + expect(at='"8h"', state='"firing"', reason=reason("1.6", first), **c3)  # from the first value on
        + expect(at='"9h"', state='"firing"', reason=reason("1", later), **c3)  # the onset stays
        + expect(at='"7d8h"', state='"firing"', **c3)
        + expect(at='"7d9h"', state='"resolved"', **c3),
    )
    assert result.failures == ()


def test_evidence_tells_direction_samples_and_onset_as_the_series_says(tmp_path: Path) -> None:
    told = EVIDENCE + (
        '  version = "v2"\n  direction = "under-confident below 0.2"\n  samples = "7x5"\n'
        "  onset = 2025-12-31T12:00:00+02:00\n"
    )
    c3 = {"rule": '"drift"', "slice": '"camera=c3"', "version": '"v2"'}
    (result,) = outcome(tmp_path, told + expect(at='"4h"', state='"inactive"', **c3))
    assert result.failures == (
        'at 4h, rule "drift", slice camera=c3, version v2: state expected "inactive", got "firing" (Scores of camera=c3 '
        "are under-confident below 0.2 since about 2025-12-31 10:00 UTC (7 labelled samples since). The evidence reached 1.6 "
        "times what raises an alarm; a calibrated model raises such an alarm at most once a year over all its slices. In "
        "force since 2026-01-01 04:00 UTC)",
    )


def test_a_drift_alarm_that_no_expectation_names_fails_the_test(tmp_path: Path) -> None:
    (result,) = outcome(tmp_path, EVIDENCE + expect(at='"4h"', rule='"drift"', slice='"camera=c4"', state='"inactive"'))
    assert len(result.failures) == 1
    assert result.failures[0].startswith('at 4h, rule "drift", slice camera=c3: not expected, got "firing" (')


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ('window = "24h"', 'window does not go with metric = "drift_evidence_ratio": evidence has no window'),
        ('directoin = "x"', 'unknown key "directoin", did you mean "direction"?'),
        ("direction = 3", "direction must be text (got 3)"),
        ('onset = "6h"', 'onset must be a time with its zone such as 2026-01-01T00:00:00Z (got "6h")'),
        (
            "onset = 2026-01-01T05:00:00Z",
            "onset must not be later than the first alarm, at 2026-01-01T04:00:00Z (got 2026-01-01T05:00:00Z)",
        ),
        (
            'samples = "many"',
            'samples: "many" is not a number, "_", or one of these with xN as in "0.01x12" or "0.1+0.05x4"',
        ),
    ],
)
def test_a_mistake_in_a_series_of_evidence_is_told_with_its_place(tmp_path: Path, lines: str, told: str) -> None:
    text = EVIDENCE + f"  {lines}\n" + expect(at='"4h"', rule='"drift"', state='"inactive"')
    assert mistakes(tmp_path, text) == [f'p.test.toml: test 1 "t": series 1: {told}']


def test_negative_evidence_and_a_misspelt_metric_of_it_are_told(tmp_path: Path) -> None:
    end = expect(at='"4h"', rule='"drift"', state='"inactive"')
    assert mistakes(tmp_path, EVIDENCE.replace("0.4x2", "0.4-0.5x3") + end) == [
        'p.test.toml: test 1 "t": series 1: values: evidence is never below 0 (got -0.6)'
    ]
    assert mistakes(tmp_path, EVIDENCE.replace("drift_evidence_ratio", "drift_evidence") + end) == [
        'p.test.toml: test 1 "t": series 1: window is missing: such as "24h"',
        'p.test.toml: test 1 "t": series 1: unknown metric "drift_evidence", did you mean "drift_evidence_ratio"?',
    ]


DISPARITY = """
pack = "p.toml"
[[test]]
name = "t"
start = 2026-01-01T00:00:00Z
interval = "1h"
  [[test.series]]
  slice = "camera=c4"
  window = "7d"
  metric = "disparity"
  values = "-0.01x9"
  [[test.series]]
  slice = "camera=c3"
  window = "7d"
  metric = "disparity"
  values = "0.05x2 0.08x2 0.03 _ 0.03 0.01"
  lower = "0.01x2 0.04x2 -0.01x4"
"""


def test_a_disparity_fires_by_its_bound_over_all_slices_and_clears_by_its_own(tmp_path: Path) -> None:
    def at(hour: int, state: str, **keys: str) -> str:
        return expect(at=f'"{hour}h"', rule='"worse"', slice='"camera=c3"', state=f'"{state}"', **keys)

    said = (
        '"calibration gap +0.080 against +0.000 in the rest of the model: worse by 0.080 (at least 0.04 with 95 % '
        'confidence over 2 slices, 0.02 is allowed) over 7d (1,000 samples, rest 10,000) since 2026-01-01 02:00 UTC"'
    )
    steps = at(1, "inactive") + at(2, "firing", reason=said) + at(4, "firing", health='"ok"')
    steps += at(5, "firing", health='"unknown"') + at(6, "firing", health='"ok"') + at(7, "resolved")
    assert outcome(tmp_path, DISPARITY + steps)[0].failures == ()
    alone = DISPARITY + '  lower_alone = "0.01x8"\n'
    assert outcome(tmp_path, alone + at(3, "firing") + at(4, "resolved"))[0].failures == ()
    few = DISPARITY + '  samples = "99x9"\n'
    assert outcome(tmp_path, few + at(3, "inactive"))[0].failures == ()


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ('lowr = "0.1"', 'unknown key "lowr", did you mean "lower"?'),
        ('onset = "6h"', 'unknown key "onset"'),
        (
            'lower_alone = "z"',
            'lower_alone: "z" is not a number, "_", or one of these with xN as in "0.01x12" or "0.1+0.05x4"',
        ),
    ],
)
def test_a_mistake_in_a_series_of_disparities_is_told_with_its_place(tmp_path: Path, lines: str, told: str) -> None:
    text = DISPARITY + f"  {lines}\n" + expect(at='"4h"', rule='"worse"', state='"inactive"')
    assert mistakes(tmp_path, text) == [f'p.test.toml: test 1 "t": series 2: {told}']


def test_a_disparity_needs_a_window_and_a_slice_that_has_a_rest(tmp_path: Path) -> None:
    text = DISPARITY.replace('  slice = "camera=c3"\n  window = "7d"\n', "")
    assert mistakes(tmp_path, text + expect(at='"4h"', rule='"worse"', state='"inactive"')) == [
        'p.test.toml: test 1 "t": series 2: window is missing: such as "7d"',
        'p.test.toml: test 1 "t": series 2: slice is missing: with metric = "disparity" one that has a rest, such as '
        '"camera=c3"',
    ]


def test_mistakes_of_a_test_file_and_of_its_pack_come_at_once(tmp_path: Path) -> None:
    text = """
pack = "q.toml"
cases = 1
[[test]]
start = 2026-01-01T00:00:00
interval = "1x"
  [[test.series]]
  metric = "ece_lowr"
  window = "24h"
  values = "0.1y3"
  [[test.series]]
  of = "pulls"
  slice = "camera=c3"
  values = "1"
  [[test.expect]]
  at = "90m"
  rule = "r"
  slice = "camera"
  state = "fired"
  helth = "ok"
"""
    (tmp_path / "q.toml").write_text('[[rule]]\nname = "r"\n')
    assert mistakes(tmp_path, text) == [
        'p.test.toml: unknown key "cases"',
        'q.toml: rule 1 "r": kind is missing: "threshold", "absence", "drift" or "disparity"',
        "p.test.toml: test 1: name is missing: what the test shows",
        "p.test.toml: test 1: start must be a time with its zone such as 2026-01-01T00:00:00Z "
        "(got 2026-01-01T00:00:00)",
        'p.test.toml: test 1: interval must be a duration such as "30m" (got "1x")',
        'p.test.toml: test 1: series 1: unknown metric "ece_lowr", did you mean "ece_lower"?',
        'p.test.toml: test 1: series 1: values: "0.1y3" is not a number, "_", or one of these with xN as in '
        '"0.01x12" or "0.1+0.05x4"',
        'p.test.toml: test 1: series 2: slice does not go with of = "pulls": a pull brings all slices',
        'p.test.toml: test 1: expect 1: unknown key "helth", did you mean "health"?',
        "p.test.toml: test 1: expect 1: at 90m falls between two evaluations: use a multiple of the interval",
        """p.test.toml: test 1: expect 1: slice must be "all" or "name=value,…" (got 'camera' in 'camera')""",
        'p.test.toml: test 1: expect 1: state must be "inactive", "pending", "firing" or "resolved" (got "fired")',
    ]


def test_a_rule_that_the_pack_has_not_is_told_with_the_nearest(tmp_path: Path) -> None:
    assert mistakes(tmp_path, SERIES + expect(at='"1h"', rule='"ece-hihg"', state='"firing"')) == [
        'p.test.toml: test 1 "t": expect 1: the pack has no rule "ece-hihg", did you mean "ece-high"?'
    ]
    assert mistakes(tmp_path, SERIES + expect(at='"1h"', rule='"quiet"', version='"v2"', state='"firing"')) == [
        'p.test.toml: test 1 "t": expect 1: version does not go with "quiet": an absence is of the whole model'
    ]


def test_a_file_that_tests_nothing_is_a_mistake(tmp_path: Path) -> None:
    assert mistakes(tmp_path, 'pack = "p.toml"') == ["p.test.toml: has no [[test]]"]
    assert mistakes(tmp_path, SERIES) == ['p.test.toml: test 1 "t": has no [[test.expect]]']


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.test\.toml: no such file$"):
        ruletest.run_tests(tmp_path / "absent.test.toml")
