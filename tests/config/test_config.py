"""Every mistake of a configuration with its exact text; defaults; paths."""

from datetime import timedelta
from pathlib import Path

import pytest

from monitor.config.secrets import reveal_secret
from monitor.config.settings import Monitor, Recalibration, load_config, parse_config, window_name
from monitor.model import Task
from monitor.model.errors import ConfigError
from monitor.model.methods import METHOD_NAMES
from monitor.rules.pack import load_rules
from tests.worlds.mistakes import without_lines
from tests.worlds.rule_texts import absence

GOOD = '[[model]]\nname = "m"\ntask = "binary"\n'
SOURCE = '[model.source]\npath = "in/*"\n'
BASE = Path("/srv/calwatch")
BAD = [
    (
        "[[model]\n",
        ["line 1, column 8: not TOML: Expected ']]' at the end of an array declaration"],
    ),
    (
        "",
        ['needs "model"'],
    ),
    (
        '[[model]]\ntask="binary"\n' + SOURCE,
        ['model 1: needs "name"'],
    ),
    (
        '[[model]]\nname="m"\n' + SOURCE,
        ['model "m": needs "task"'],
    ),
    (
        '[[model]]\nname="m"\ntask="ocr"\n' + SOURCE,
        ["model \"m\": task must be 'binary', 'multiclass', 'detection' or 'segmentation' (got 'ocr')"],
    ),
    (
        GOOD,
        ['model "m": needs "source"'],
    ),
    (
        GOOD + "[model.source]\n",
        ['model "m": source "samples": needs "path"'],
    ),
    (
        GOOD + '[model.source]\npath=""\n',
        ['model "m": source "samples": path must have at least 1 character (got \'\')'],
    ),
    (
        GOOD + "treshold=3\n" + SOURCE,
        ['model "m": unknown key "treshold", did you mean "threshold"?'],
    ),
    (
        "[monitr]\n" + GOOD + SOURCE,
        ['unknown key "monitr", did you mean "monitor"?'],
    ),
    (
        GOOD + '[model.source]\npath="x"\nfromat="csv"\n',
        ['model "m": source "samples": unknown key "fromat", did you mean "format"?'],
    ),
    (
        GOOD + '[model.source]\npath="x"\nkind="postgres"\n',
        ["model \"m\": source \"samples\": kind must be 'files' or 'http' (got 'postgres')"],
    ),
    (
        GOOD + 'bucket="7h"\n' + SOURCE,
        ["model \"m\": bucket must divide a day evenly, from 1m to 24h (got '7h')"],
    ),
    (
        GOOD + 'bucket="30"\n' + SOURCE,
        ['model "m": bucket must be a duration such as "30m", "24h" or "7d" (got \'30\')'],
    ),
    (
        GOOD + "bucket=30\n" + SOURCE,
        ['model "m": bucket must be a duration such as "30m", "24h" or "7d" (got 30)'],
    ),
    (
        GOOD + 'bucket="99999999999y"\n' + SOURCE,
        ['model "m": bucket must be a duration of at most "1000y" (got \'99999999999y\')'],
    ),
    (
        GOOD + 'retention="2000y"\n' + SOURCE,
        ['model "m": retention must be a duration of at most "1000y" (got \'2000y\')'],
    ),
    (
        GOOD + 'windows=["90m"]\n' + SOURCE,
        ["model \"m\": windows must be multiples of the bucket '1h' (got '1h30m')"],
    ),
    (
        GOOD + 'windows=["24h","1d"]\n' + SOURCE,
        ['model "m": windows names a window twice'],
    ),
    (
        GOOD + "windows=[]\n" + SOURCE,
        ['model "m": windows must have at least one entry'],
    ),
    (
        GOOD + 'windows=["0s"]\n' + SOURCE,
        ["model \"m\": windows must be multiples of the bucket '1h' (got '0s')"],
    ),
    (
        GOOD + 'label_horizon="0s"\n' + SOURCE,
        ['model "m": label_horizon must be longer than 0s, such as "30m", "24h" or "7d" (got \'0s\')'],
    ),
    (
        GOOD + 'fold_after="3d"\n' + SOURCE,
        ["model \"m\": fold_after must not be shorter than the longest window plus label_maturity, 7d (got '3d')"],
    ),
    (
        GOOD + 'retention="20d"\n' + SOURCE,
        [
            'model "m": retention must not be shorter than label_horizon and fold_after, or late labels have nothing to join '
            "(default label_horizon '30d', fold_after '14d')"
        ],
    ),
    (
        GOOD + 'history="80d"\n' + SOURCE,
        ["model \"m\": history must not be shorter than retention (default retention '90d')"],
    ),
    (
        GOOD + 'slices=["camera","camera"]\n' + SOURCE,
        ['model "m": slices names a dimension twice'],
    ),
    (
        GOOD + 'slices=["version","score","le"]\n' + SOURCE,
        [
            'model "m": slices must not use the reserved name "version"; map it under another name',
            'model "m": slices must not use the reserved name "score"; map it under another name',
            'model "m": slices must not use the reserved name "le"; map it under another name',
        ],
    ),
    (
        GOOD + 'slices=["Camera"]\n' + SOURCE,
        [
            'model "m": slices[1] must be a lower-case name such as "camera" (got \'Camera\'); if your column is called '
            'otherwise, map it: columns = { camera = "Camera" }'
        ],
    ),
    (
        GOOD + "max_order=5\n" + SOURCE,
        ['model "m": max_order must be less than or equal to 4 (got 5)'],
    ),
    (
        GOOD + "min_samples=0\n" + SOURCE,
        ['model "m": min_samples must be greater than or equal to 1 (got 0)'],
    ),
    (
        GOOD + '[model.source]\npath="x"\ncolumns={scor="p"}\n',
        [
            'model "m": source "samples": columns maps unknown "scor", did you mean "score"?; the names on the left are calwatch\'s or a slice dimension'  # noqa: E501  # the exact text
        ],
    ),
    (
        GOOD + '[model.source]\npath="x"\ncolumns={"Teil"="sample_id"}\n',
        [
            'model "m": source "samples": columns has "Teil" = "sample_id" the wrong way round: calwatch\'s name comes first, sample_id = "Teil"'  # noqa: E501  # the exact text
        ],
    ),
    (
        GOOD + '[model.source]\npath="x"\ntime_zone="Mars"\n',
        ['model "m": source "samples": time_zone must be a time zone such as "UTC" or "Europe/Paris" (got \'Mars\')'],
    ),
    (
        GOOD + '[model.source]\npath="x"\ntime_unit="fs"\n',
        ["model \"m\": source \"samples\": time_unit must be 's', 'ms', 'us' or 'ns' (got 'fs')"],
    ),
    (
        GOOD + '[model.source]\npath="x"\nholds="labels"\n',
        ['model "m": source: at least one must hold samples'],
    ),
    (
        GOOD + '[[model.source]]\npath="x"\n[[model.source]]\npath="y"\n',
        ['model "m": source: each needs a name of its own (got samples, samples)'],
    ),
    (
        GOOD + SOURCE + '[model.recalibration]\nschedule="0 2 * *"\n',
        ['model "m": recalibration: schedule must be five cron fields such as "0 2 * * *" (got \'0 2 * *\')'],
    ),
    (
        GOOD + SOURCE + '[model.recalibration]\nschedule="0 25 * * *"\n',
        [
            "model \"m\": recalibration: schedule must be a cron expression such as \"0 2 * * *\" (got '0 25 * * *': Error validating expression '25': the last value (25) is higher than the maximum value (23))"  # noqa: E501  # the exact text
        ],
    ),
    (
        GOOD + SOURCE + '[model.recalibration]\nmethod="magic"\n',
        [
            'model "m": recalibration: method must be '
            f"{', '.join(map(repr, ('auto', *METHOD_NAMES[:-1])))} or {METHOD_NAMES[-1]!r} (got 'magic')"
        ],
    ),
    (
        GOOD + SOURCE + "[model.recalibration]\nmax_samples=800\n",
        ['model "m": recalibration: max_samples must not be below min_samples, 1000 (got 800)'],
    ),
    (
        GOOD + SOURCE + "[model.recalibration]\ngate_fraction=1.0\n",
        ['model "m": recalibration: gate_fraction must be less than 1 (got 1.0)'],
    ),
    (
        GOOD + SOURCE + '[model.threshold]\npolicy="best"\n',
        [
            'model "m": threshold: policy must be "f1", "fbeta:BETA", "youden", "cost:fp=COST,fn=COST" with ",prior=RATE" where the base rate in use differs, "precision>=P", "recall>=R", "accuracy>=A" or "fp_per_image<=X"; BETA, COST and X above 0, the others between 0 and 1 (got \'best\')'  # noqa: E501  # the exact text
        ],
    ),
    (
        GOOD + SOURCE + GOOD + SOURCE,
        ['two models are called "m"'],
    ),
    (
        '[monitor]\nlisten="9464"\n' + GOOD + SOURCE,
        ["monitor: listen must be host:port such as \"127.0.0.1:9464\" (got '9464')"],
    ),
    (
        '[monitor]\nmemory_limit="lots"\n' + GOOD + SOURCE,
        ["monitor: memory_limit must match pattern '^[0-9]+(\\.[0-9]+)? ?[KMGT]i?B$' (got 'lots')"],
    ),
    (
        '[monitor]\nlog_format="xml"\n' + GOOD + SOURCE,
        ["monitor: log_format must be 'text' or 'json' (got 'xml')"],
    ),
    (
        'base="/"\n' + GOOD + SOURCE,
        ['unknown key "base"'],
    ),
    (
        "model = 3\n",
        ["model must be a list (got 3)"],
    ),
]


@pytest.mark.parametrize(("text", "mistakes"), BAD, ids=[mistakes[0][:60] for _, mistakes in BAD])
def test_a_mistake_is_told_with_its_place_and_what_was_found(text: str, mistakes: list[str]) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_config(text, "calwatch.toml", BASE)
    assert without_lines(raised.value.mistakes) == [f"calwatch.toml: {mistake}" for mistake in mistakes]


FIVE = """
[monitor]
listen = "nowhere"
cycl = "1m"

[[model]]
name = "m"
task = "ocr"
bucket = "1 hour"
[model.source]
path = "x"
time_zone = "Mars"

[[model]]
name = "n"
task = "binary"
windows = ["90m"]
[model.source]
path = "in/*"
"""


def test_all_mistakes_of_all_sections_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as raised:
        parse_config(FIVE, "calwatch.toml", BASE)
    assert without_lines(raised.value.mistakes) == [
        "calwatch.toml: monitor: listen must be host:port such as \"127.0.0.1:9464\" (got 'nowhere')",
        'calwatch.toml: monitor: unknown key "cycl", did you mean "cycle"?',
        "calwatch.toml: model \"m\": task must be 'binary', 'multiclass', 'detection' or 'segmentation' (got 'ocr')",
        'calwatch.toml: model "m": bucket must be a duration such as "30m", "24h" or "7d" (got \'1 hour\')',
        'calwatch.toml: model "m": source "samples": time_zone must be a time zone such as "UTC" or "Europe/Paris" '
        "(got 'Mars')",
        "calwatch.toml: model \"n\": windows must be multiples of the bucket '1h' (got '1h30m')",
    ]
    assert str(raised.value) == "\n".join(raised.value.mistakes)
    assert raised.value.hint == "mend what is named above, then run: calwatch check"


def test_what_is_not_written_has_its_documented_default() -> None:
    config = parse_config(GOOD + SOURCE, "calwatch.toml", BASE)
    (model,) = config.model
    assert (model.name, model.task, model.slices, model.max_order, model.max_slice_values) == (
        "m",
        Task.BINARY,
        (),
        2,
        100,
    )
    assert (model.bucket, model.label_maturity, model.label_horizon) == (
        timedelta(hours=1),
        timedelta(0),
        timedelta(days=30),
    )
    assert (model.retention, model.history, model.fold_after) == (
        timedelta(days=90),
        timedelta(days=730),
        timedelta(days=14),
    )
    assert model.window_names == {"1h": timedelta(hours=1), "24h": timedelta(days=1), "7d": timedelta(days=7)}
    assert (model.rules, model.min_samples, model.threshold) == (("default",), 100, None)
    assert model.recalibration == Recalibration.model_validate({})
    assert (model.recalibration.method, model.recalibration.apply, model.recalibration.schedule) == (
        "auto",
        "serving",
        None,
    )
    assert config.monitor == Monitor.model_validate({})
    (source,) = model.source
    assert (source.name, source.kind, source.holds, source.format, source.time_zone, source.time_unit) == (
        "samples", "files", "samples", "auto", "UTC", None,
    )  # fmt: skip


def test_paths_are_relative_to_the_directory_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "calwatch.toml"
    path.parent.mkdir()
    path.write_text(GOOD + SOURCE)
    config = load_config(path)
    assert config.base == path.parent.resolve()
    assert config.state_dir == path.parent.resolve() / "calwatch-state"
    elsewhere = parse_config('[monitor]\nstate_dir = "/var/lib/x"\n' + GOOD + SOURCE, "c", BASE)
    assert elsewhere.state_dir == Path("/var/lib/x")


def test_files_with_the_mark_of_windows_editors_are_read_as_those_without(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(absence(), "utf-8-sig")
    (tmp_path / "token").write_text("s3cret\r\n", "utf-8-sig")
    path = tmp_path / "calwatch.toml"
    path.write_text(GOOD + 'rules = ["own.toml"]\n' + SOURCE, "utf-8-sig")
    config, rules = load_config(path), load_rules(("own.toml",), tmp_path)
    assert (config.model[0].rules, [rule.name for rule in rules]) == (("own.toml",), ["a"])
    assert reveal_secret("file:token", tmp_path) == "s3cret"


def test_a_file_that_is_not_there_is_named_with_the_way_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        load_config(tmp_path / "none.toml")
    assert raised.value.mistakes == [f"{tmp_path / 'none.toml'}: no such file"]
    assert raised.value.hint == "name another with --config FILE, or make one with: calwatch init DIR"


@pytest.mark.parametrize("content", [b"\xff\xfe", None], ids=["not UTF-8", "a directory"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "calwatch.toml"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match="cannot be read") as raised:
        load_config(path)
    assert str(path) in raised.value.mistakes[0]


def test_models_are_found_by_name() -> None:
    config = parse_config(GOOD + SOURCE + GOOD.replace('"m"', '"n"') + SOURCE, "calwatch.toml", BASE)
    assert config.model_named("n") is config.model[1]
    assert config.model_named("o") is None


@pytest.mark.parametrize(
    ("hours", "name"), [(1, "1h"), (24, "24h"), (25, "1d1h"), (48, "2d"), (168, "7d"), (0.5, "30m")]
)
def test_windows_are_named_in_days_beyond_one_and_in_hours_below(hours: float, name: str) -> None:
    assert window_name(timedelta(hours=hours)) == name


def test_several_sources_and_column_names_of_ones_own_are_read() -> None:
    text = (
        GOOD
        + 'slices = ["camera"]\n'
        + (
            '[[model.source]]\nname = "predictions"\npath = "s3://bucket/*.parquet"\n'
            'columns = { score = "confidence", camera = "cam id" }\ntime_unit = "ms"\n'
            '[[model.source]]\nname = "labels"\nholds = "labels"\npath = "labels.csv"\n'
        )
    )
    predictions, labels = parse_config(text, "calwatch.toml", BASE).model[0].source
    assert predictions.columns == {"score": "confidence", "camera": "cam id"}
    assert (predictions.time_unit, labels.holds) == ("ms", "labels")
