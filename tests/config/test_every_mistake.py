"""One mistake hides no other, each is one line with its place, and nothing a file may hold is more than a mistake."""

import re
from pathlib import Path

import pytest

from monitor.config.settings import parse_config
from monitor.config.toml import find_lines, parse_toml
from monitor.engine.byhand import run_by_hand
from monitor.engine.check.check import check_config
from monitor.engine.control import load_all
from monitor.engine.cycle import load_watched
from monitor.engine.once import run_once
from monitor.model.errors import ConfigError
from monitor.rules.pack import parse_pack
from tests.worlds.mistakes import without_lines
from tests.worlds.rule_texts import absence, drift, threshold

MODEL = (
    '[[model]]\nname = "m"\ntask = "binary"\nrules = ["own.toml"]\nslices = ["camera"]\n{extra}[model.source]\n'
    'path = "in/*"\n'
)


def _mistakes(text: str) -> list[str]:
    with pytest.raises(ConfigError) as told:
        parse_config(text, "calwatch.toml", Path())
    return told.value.mistakes


def _all_mistakes(folder: Path, config: str, rules: str) -> list[str]:
    (folder / "calwatch.toml").write_text(config, "utf-8")
    (folder / "own.toml").write_text(rules, "utf-8")
    with pytest.raises(ConfigError) as told:
        load_watched(folder / "calwatch.toml")
    return told.value.mistakes


@pytest.mark.parametrize(
    "text",
    [
        MODEL.format(extra="") + f"min_samples = {'9' * 5000}\n", MODEL.format(extra="") + f"a = 0x{'f' * 6000}\n",
        MODEL.format(extra="") + f"a = {'[' * 3000}{']' * 3000}\n", "a." * 3000 + "b = 1\n" + MODEL.format(extra=""),
        MODEL.format(extra='"\\u0000" = 1\n'), '[monitor]\nstate_dir = "a\\u0000b"\n' + MODEL.format(extra=""),
        MODEL.replace('"own.toml"', '"./a\\u0000.toml"').format(extra=""), MODEL.format(extra=f'retention = "{"9" * 5000}d"\n'),
        MODEL.format(extra="").replace("in/*", "in/\\u0000"), MODEL.format(extra=f"a = {'{a=' * 200}1{'}' * 200}\n"),
        '[server]\ntls_key = "\\u0000"\n' + MODEL.format(extra=""), MODEL.format(extra="min_samples = 9223372036854775808\n"),
    ],
)  # fmt: skip
def test_whatever_a_file_holds_is_a_mistake_with_its_line(text: str) -> None:
    (told,) = [each for each in _mistakes(text) if "go together" not in each]
    assert re.match(r"calwatch\.toml:(\d+| line \d+): ", told)
    assert len(told) < 400


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("min_samples", "true", "must be a whole number (got true)"),
        ("max_order", "false", "must be a whole number (got false)"),
        ("min_samples", '"1_00"', "must be a whole number (got '1_00')"),
        ("min_samples", "1.5", "must be a whole number (got 1.5)"),
        ("recalibration.confidence", '"0.95"', "must be a number (got '0.95')"),
        ("recalibration.gate_fraction", "true", "must be a number (got true)"),
        ("recalibration.gate_fraction", "nan", "must be a finite number (got nan)"),
        ("threshold.confidence", '" 0.9 "', "must be a number (got ' 0.9 ')"), ("retention", '"٣d"', "must be a duration"),
        ("retention", '"90d\\n"', "must be a duration"), ("retention", "2026-01-01", "(got 2026-01-01)"),
    ],
)  # fmt: skip
def test_numbers_are_numbers_and_texts_are_texts(key: str, value: str, told: str) -> None:
    (mistake,) = _mistakes(MODEL.format(extra=f"{key} = {value}\n"))
    assert f"{key.rpartition('.')[2]} {told}" in mistake or told in mistake
    assert mistake.startswith("calwatch.toml:6: ")


@pytest.mark.parametrize("value", ["100", "100.0"])
def test_a_whole_number_may_be_written_with_a_point(value: str) -> None:
    (model,) = parse_config(MODEL.format(extra=f"min_samples = {value}\n"), "c", Path()).model
    assert (model.min_samples, type(model.min_samples)) == (100, int)
    (rule,) = parse_pack(threshold(min_samples=value), "p.toml")
    assert getattr(rule, "min_samples", None) == 100


MANY = """
[monitor]
cycel = "1m"
[[model]]
name = "m"
task = "binary"
bogus = 1
rules = ["own.toml"]
slices = ["camera", "camera"]
bucket = "7h"
fold_after = "1d"
[[model.source]]
path = "s/*"
columns = { scor = "p" }
[[model.source]]
name = "late"
pth = "y"
columns = { lable = "p" }
[[model]]
name = "m"
task = "multiclass"
positive = "x"
source = { path = "y", time_unit = "sec" }
[[action]]
name = "a"
kind = "command"
comand = ["true"]
on = ["firing"]
models = ["nope"]
"""


def test_no_mistake_hides_another_of_model_source_action_and_rules(tmp_path: Path) -> None:
    rules = threshold(metric='"ece_low"', only='{ camara = "c" }', actions='["b"]', window='"3h"')
    rules += absence(kind='"absense"', longer_than='"12 hour"', only='{ line = "1" }', name='"q"')
    assert [re.sub(r" \(got.*|, did.*|;.*", "", each) for each in _all_mistakes(tmp_path, MANY, rules)] == [
        'calwatch.toml:3: monitor: unknown key "cycel"',
        'calwatch.toml:17: model "m": source "late": unknown key "pth"',
        'calwatch.toml:7: model "m": unknown key "bogus"',
        'calwatch.toml:10: model "m": bucket must divide a day evenly, from 1m to 24h',
        'calwatch.toml:11: model "m": fold_after must not be shorter than the longest window plus label_maturity, 7d',
        'calwatch.toml:14: model "m": source "samples": columns maps unknown "scor"',
        'calwatch.toml:18: model "m": source "late": columns maps unknown "lable"',
        'calwatch.toml:9: model "m": slices names a dimension twice',
        "calwatch.toml:23: model \"m\": source \"samples\": time_unit must be 's', 'ms', 'us' or 'ns'",
        'calwatch.toml:22: model "m": positive belongs to task "binary" (task is "multiclass")',
        'calwatch.toml:27: action "a": unknown key "comand"',
        'calwatch.toml: two models are called "m"',
        'calwatch.toml:24: action "a": there is no model "nope"',
        'own.toml:5: rule 1 "r": unknown metric "ece_low"',
        'own.toml:15: rule 2 "q": longer_than must be a duration such as "30m"',
        'own.toml:12: rule 2 "q": kind "absense" is not one this version knows ("threshold", "absence", "drift" and '
        '"disparity")',
        'model "m": own.toml:7: rule 1 "r": window "3h" is none of the model\'s windows ("1h", "24h" or "7d")',
        'model "m": own.toml:8: rule 1 "r": only.camara: "camara" is no slice dimension of the model',
        'model "m": own.toml:9: rule 1 "r": unknown action "b"',
        'model "m": own.toml:16: rule 2 "q": only.line: "line" is no slice dimension of the model',
    ]


def test_two_hundred_mistakes_are_one_list_and_the_same_wherever_they_are_asked_for(tmp_path: Path) -> None:
    config = MODEL.format(extra="".join(f"bogus{n} = {n}\n" for n in range(100)))
    rules = "".join(threshold(name=f'"r{n}"', above='"x"') for n in range(100))
    told = _all_mistakes(tmp_path, config, rules)
    assert len(told) == 200
    assert len(set(told)) == 200
    for read in (load_all, check_config, run_once, lambda path: run_by_hand(path, "recalibrate")):
        with pytest.raises(ConfigError) as caught:
            read(tmp_path / "calwatch.toml")
        assert caught.value.mistakes == told


@pytest.mark.parametrize(
    ("config", "rules"),
    [
        ('slice = ["line"]\n', threshold(only='{ line = "1" }')), ("slices = 5\n", threshold(only='{ line = "1" }')),
        ('windows = ["x"]\n', threshold(window='"3h"')), ('[[model.action]]\nname = "a"\n', threshold()),
    ],
)  # fmt: skip
def test_what_could_not_be_read_is_not_judged(config: str, rules: str, tmp_path: Path) -> None:
    model = MODEL.replace('slices = ["camera"]\n', "") if "slice" in config else MODEL
    assert len(_all_mistakes(tmp_path, model.format(extra=config), rules)) == 1


def test_actions_that_could_not_be_read_are_not_missed(tmp_path: Path) -> None:
    config = MODEL.format(extra="") + '[[action]]\nname = 5\nkind = "slack"\nurl = "env:U"\n'
    (told,) = _all_mistakes(tmp_path, config, threshold(actions='["room"]'))
    assert without_lines([told]) == ['calwatch.toml: action "5": name must be text (got 5)']


@pytest.mark.parametrize(
    "text",
    [
        threshold(metric='"a\\nb"'), threshold(name='"a\\nb"'), threshold(window='"1h\\n"'),
        threshold(**{'"a\\nb\\u001b"': "1"}),
        threshold(actions='["a\\nb", "a\\nb"]'), threshold(kind='"a\\u001b[31m"'), threshold(severity='"\\u202epage"'),
    ],
)  # fmt: skip
def test_a_mistake_stays_one_whatever_its_value_holds(text: str) -> None:
    with pytest.raises(ConfigError) as told:
        parse_pack(text, "p.toml")
    (mistake,) = told.value.mistakes
    assert mistake.isprintable()


def test_a_line_break_in_a_slice_is_shown_and_not_taken() -> None:
    (told,) = _mistakes(MODEL.replace('"camera"', '"camera\\n"').format(extra=""))
    assert told.isprintable()
    assert r"(got 'camera\n')" in told


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        (drift(windw='"24h"'), 'unknown key "windw"'),
        (drift(tolerance="{ prob = 0.02 }"), 'unknown key "tolerance.prob", did you mean "probability"?'),
        (drift(tolerance="{ foo = 0.02 }"), 'unknown key "tolerance.foo"; known here: "odds" and "probability"'),
        (threshold(severity='"tickt"'), 'severity must be "info", "ticket" or "page" (got "tickt"), did you mean "ticket"?'),
    ],
)  # fmt: skip
def test_only_what_leads_on_is_suggested(rules: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_pack(rules, "p.toml")
    (mistake,) = caught.value.mistakes
    assert mistake.partition('": ')[2] == told


@pytest.mark.parametrize(
    ("text", "near"),
    [
        (MODEL.replace('"binary"', '"multi-class"').format(extra=""), "multiclass"),
        (MODEL.format(extra='recalibration.method = "temprature"\n'), "temperature"),
        (MODEL.format(extra='threshold.policy = "precison>=0.95"\n'), "precision"),
        ('[monitor]\nlog_format = "jsn"\n' + MODEL.format(extra=""), "json"),
        (MODEL.format(extra="") + '[[action]]\nname = "a"\nkind = "slak"\nurl = "env:X"\n', "slack"),
    ],
)
def test_a_value_of_few_gets_the_nearest(text: str, near: str) -> None:
    (told,) = _mistakes(text)
    assert told.endswith(f', did you mean "{near}"?')


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[monitor]\nexternal_url = "http://[::1"\n', "monitor: external_url must be a URL such as"),
        ('[monitor]\nexternal_url = "http://a:99999999/"\n', "monitor: external_url must be a URL such as"),
        ('[monitor]\nexternal_url = "http://a b/"\n', "monitor: external_url must be a URL such as"),
        (MODEL.format(extra='recalibration.schedule = "0 0 31 2 *"\n'), "a time that never comes"),
        (MODEL.format(extra='label_maturity = "90d"\n'), "fold_after must not be shorter than the longest window plus "
         "label_maturity, 97d (default '14d')"),
        (MODEL.format(extra='recalibration.min_samples = 3000000\n'), "(default 2000000)"),
        (MODEL.format(extra="").replace('"m"', f'"{"m" * 5000}"'), "name must have at most 100 characters (got "),
        (MODEL.replace('"camera"', f'"{"c" * 5000}"').format(extra=""), "slices[1] must have at most 60 characters (got "),
    ],
)  # fmt: skip
def test_each_says_what_is_meant(text: str, told: str) -> None:
    text = text if "[[model]]" in text else text + MODEL.format(extra="")
    mistakes = _mistakes(text)
    assert any(told in mistake for mistake in mistakes)
    assert all(len(mistake) < 600 for mistake in mistakes)


@pytest.mark.parametrize("schedule", ["0 0 29 2 *", "0 0 29 2 mon", "*/5 * * * *", "0 2 31 12 *"])
def test_rare_times_come_all_the_same(schedule: str) -> None:
    assert parse_config(MODEL.format(extra=f'recalibration.schedule = "{schedule}"\n'), "c", Path())


def test_lines_are_those_of_keys_and_tables_whatever_stands_between() -> None:
    text = (
        '# [[model]]\na = """\n[b]\nc = 1\n"""\n[b]\nc = [ # x\n  1,\n  { d = 2 },\n]\nx.y = 1\n[[e]]\n[[e]]\nf = 1\n'
        "[e.g]\nh = 2\n[[e.i]]\n[[e.i]]\nj = { k = 1 }\n"
    )
    lines = find_lines(text.replace("\n", "\r\n"))
    assert lines == find_lines(text)
    assert lines == {
        ("a",): 2, ("b",): 6, ("b", "c"): 7, ("b", "c", 0): 7, ("b", "c", 1): 7, ("b", "c", 1, "d"): 7, ("b", "x"): 11,
        ("b", "x", "y"): 11, ("e", 0): 12, ("e", 1): 13, ("e", 1, "f"): 14, ("e", 1, "g"): 15, ("e", 1, "g", "h"): 16,
        ("e", 1, "i", 0): 17, ("e", 1, "i", 1): 18, ("e", 1, "i", 1, "j"): 19, ("e", 1, "i", 1, "j", "k"): 19,
    }  # fmt: skip
    document = parse_toml(text, "t")
    for path in lines:
        held: object = document
        for step in path:
            held = held[step]  # type: ignore[index]
