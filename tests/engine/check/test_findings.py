"""What ``calwatch check`` finds in rows that could be taken, and what it must not find in honest ones."""

import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from monitor.cli.app import app
from tests.worlds import honest
from tests.worlds.honest import Random, Table, changed, checked, outcomes, table, times

HONEST = (
    honest.calibrated, honest.random_scores, honest.rare_event, honest.rare_event_overstated, honest.over_confident,
    honest.hardly_ever_right, honest.flagged_only, honest.saturated, honest.rounded_to_tenths, honest.numbers_as_classes,
    honest.worse_than_guessing, honest.binary_numbers, honest.hundred_classes, honest.thousand_classes, honest.long_tail,
    honest.never_predicts_one, honest.grades, honest.boxes, honest.tracks, honest.slow_tracks,
)  # fmt: skip
Change = Callable[[Random], Sequence[Table]]


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("made", HONEST, ids=lambda made: made.__name__)
def test_honest_rows_are_fine(made: Callable[[Random], Table], seed: int, tmp_path: Path) -> None:
    found = checked(tmp_path, made(np.random.default_rng(seed)))
    assert (found.mistakes, found.suspicions) == ([], [])


@pytest.mark.parametrize("count", [1, 2, 3, 7, 19, 20, 21, 30])
@pytest.mark.parametrize("task", ["binary", "multiclass", "detection"])
def test_a_few_rows_are_fine(task: str, count: int, tmp_path: Path) -> None:
    found = checked(tmp_path, honest.tiny(task, count)(np.random.default_rng(count)))
    assert (found.mistakes, found.suspicions) == ([], [])


def _again(random: Random) -> list[Table]:
    """A second export of the same rows, and of more: labels have come, and scores have fewer digits."""
    first = honest.calibrated(random, 300)
    early = changed(first, outcome=["" if i % 2 else own for i, own in enumerate(first.columns["outcome"])])
    return [early, changed(first, score=[f"{float(str(value)):.2f}" for value in first.columns["score"]])]


def _two_cameras(random: Random) -> list[Table]:
    """Ids start anew for each camera, at other times."""
    one, two = honest.calibrated(random, 200), honest.calibrated(random, 200)
    two.columns["observed_at"] = times(200, timedelta(minutes=11))
    return [changed(one, camera=["c1"] * 200), changed(two, camera=["c2"] * 200)]


def _releases(random: Random) -> list[Table]:
    made = honest.calibrated(random, 6000)
    return [changed(made, version=[f"1.{i // 240}.0" for i in range(6000)])]


def _no_defect_yet(random: Random) -> list[Table]:
    score = random.uniform(0.0, 0.1, 40)
    return [table("binary", score, model='positive = "defect"', label=["ok"] * 40)]


def _explained(random: Random) -> list[Table]:
    score = random.random(300)
    words = [
        ["scratched", "fine", "dusty"][i] for i in np.where(outcomes(random, score) == 1, 0, random.integers(1, 3, 300))
    ]
    source = 'outcomes = { false = ["fine", "dusty"] }'
    return [table("binary", score, model='positive = "scratched"', source=source, label=words)]


@pytest.mark.parametrize("made", [_again, _two_cameras, _releases, _no_defect_yet, _explained])
def test_honest_files_are_fine(made: Change, tmp_path: Path) -> None:
    found = checked(tmp_path, *made(np.random.default_rng(5)))
    assert (found.mistakes, found.suspicions) == ([], [])


def _relabelled(change: Callable[[str], object], classes: Sequence[str] = ("0", "1", "2", "3", "4")) -> Change:
    def made(random: Random) -> list[Table]:
        score = random.uniform(0.4, 1, 300)
        own = honest.named(random, 300, list(classes), score, score)
        return [changed(own, label=[change(str(label)) for label in own.columns["label"]])]

    return made


def _predicted(change: Callable[[str], object], classes: Sequence[str]) -> Change:
    def made(random: Random) -> list[Table]:
        score = random.uniform(0.4, 1, 300)
        own = honest.named(random, 300, list(classes), score, score)
        return [changed(own, predicted_class=[change(str(name)) for name in own.columns["predicted_class"]])]

    return made


def _joined_wrongly(random: Random) -> list[Table]:
    score = random.uniform(0.7, 1, 400)
    made = honest.named(random, 400, list("abcdefgh"), score, score)
    return [changed(made, label=[made.columns["label"][i] for i in random.permutation(400)])]


def _turned(random: Random) -> list[Table]:
    made = honest.calibrated(random, 400)
    return [changed(made, outcome=[1 - int(str(own)) for own in made.columns["outcome"]])]


def _of_predicted_class(random: Random) -> list[Table]:
    made = honest.calibrated(random, 400)
    return [changed(made, score=[max(float(str(s)), 1 - float(str(s))) for s in made.columns["score"]])]


def _changed(task: str, change: Callable[[Random, np.ndarray], dict[str, Any]], **settings: str) -> Change:
    """400 rows of calibrated scores, of which ``change`` gives other columns."""

    def made(random: Random) -> list[Table]:
        score = random.random(400)
        own = table(task, score, outcome=outcomes(random, score), **settings)  # type: ignore[arg-type]
        return [changed(own, **change(random, score))]

    return made


def _missed(share: float, score: str = "0") -> Change:
    def change(random: Random, scores: np.ndarray) -> dict[str, Any]:
        missed = random.random(400) < share
        outcome = np.where(missed, 1, outcomes(random, scores))
        return {
            "score": np.where(missed, score, scores.round(4).astype(str)), "outcome": outcome,
        }  # fmt: skip

    return _changed("detection", change)


def _restarted(random: Random) -> list[Table]:
    made = [honest.calibrated(random, 200) for _ in range(3)]
    return [changed(own, camera=[f"c{place}"] * 200) for place, own in enumerate(made)]


def _re_exported(fraction: str, whole: str) -> Change:
    def made(random: Random) -> list[Table]:
        own = honest.calibrated(random, 300)
        plain = [str(at).partition(".")[0] for at in own.columns["observed_at"]]
        return [changed(own, observed_at=[at + end for at in plain]) for end in (fraction, whole)]

    return made


def _three_names(random: Random) -> list[Table]:
    score = random.random(200)
    return [
        table("binary", score, model='positive = "bad"', label=[["bad", "good", "dusty"][i % 3] for i in range(200)])
    ]


def _other_positive(random: Random) -> list[Table]:
    score = random.random(200)
    return [
        table("binary", score, model='positive = "broken"', label=[["bad", "good"][i] for i in outcomes(random, score)])
    ]


def _sparse(reason: str) -> Change:
    bad = {"score": "", "observed_at": "31.12.2026 12 Uhr", "sample_id": ""}[reason]

    def change(_: Random, score: np.ndarray) -> dict[str, Any]:
        kinds: dict[str, list[object]] = {
            "score": list(score.round(4)), "observed_at": times(400), "sample_id": [f"s{i}" for i in range(400)],
        }  # fmt: skip
        own = kinds[reason]
        return {reason: [bad if place % 10 == 0 else value for place, value in enumerate(own)]}

    return _changed("binary", change)


SUSPICIOUS: Sequence[tuple[str, Change, str, str]] = (
    ("scores of the other class", _turned, "scores rank the outcomes the wrong way round (AUROC 0.1", "1 − score"),
    (
        "rare outcomes turned round",
        _changed("binary", lambda r, s: {"score": (s**3).round(4), "outcome": 1 - outcomes(r, s**3)}),
        "scores rank the outcomes the wrong way round",
        "see what outcome 1 means",
    ),
    (
        "scores of the predicted class",
        _of_predicted_class,
        "no score of 400 samples tried is below 0.5",
        'task = "multiclass"',
    ),
    ("one score", _changed("binary", lambda *_: {"score": [0.5] * 400}), "every score of 400 samples tried is 0.5", ""),
    (
        "one score in few rows",
        _changed("binary", lambda *_: {"score": [0.87] * 400}),
        "every score of 400 samples tried is 0.87",
        "",
    ),
    (
        "outcomes that are all 1",
        _changed("binary", lambda *_: {"outcome": [1] * 400}),
        "every outcome of 400 samples tried is 1",
        "see how",
    ),
    (
        "outcomes that are all 0",
        _changed("detection", lambda *_: {"outcome": [0] * 400}),
        "every outcome of 400 samples tried is 0",
        "see how",
    ),
    ("labels joined to other rows", _joined_wrongly, "% on average, and", "do they stand beside each other"),
    ("missed objects", _missed(0.2), "have score 0 and outcome 1", "leave them out"),
    ("few missed objects", _missed(0.03, "0.0"), "have score 0 and outcome 1", "leave them out"),
    (
        "a version for each row",
        _changed("binary", lambda *_: {"version": [f"build-{i}" for i in range(400)]}),
        "400 versions in 400 rows",
        "model that was released",
    ),
    (
        "a version for each hour",
        _changed("binary", lambda *_: {"version": [f"v{i // 10}" for i in range(400)]}),
        "40 versions in 400 rows",
        "model that was released",
    ),
    ("ids that start anew", _restarted, "400 of 400 rows", "such as by the camera in front"),
    (
        "milliseconds and seconds",
        _re_exported(".437", ""),
        "300 of 600 rows have a sample_id that comes again within a second",
        'time_precision = "1s"',
    ),
    ("microseconds and milliseconds", _re_exported(".437912", ".437"), "300 of 600 rows", 'time_precision = "1s"'),
    (
        "three names beside positive",
        _three_names,
        'labels are "bad" (67), "good" (67), "dusty" (66)',
        "outcomes = { false = [...] }",
    ),
    ("no label is positive", _other_positive, 'no label is positive = "broken"', "Write positive as the labels are"),
    (
        "classes written in two ways",
        _relabelled(lambda label: label.replace("_", " "), ["traffic_light", "stop_sign", "car", "van"]),
        '"stop sign" beside "stop_sign"',
        "written in two ways",
    ),
    (
        "one class written in two ways",
        _predicted(lambda name: name.replace("lorry", "truck"), ["lorry", "car", "van", "bus"]),
        '"lorry" beside "truck"',
        "written in two ways",
    ),
    ("a tenth without a score", _sparse("score"), "40 of the 400 rows tried would be set aside as missing_score", ""),
    (
        "a tenth of other times",
        _sparse("observed_at"),
        "40 of the 400 rows tried would be set aside as unreadable_time",
        "2026-01-31",
    ),
    (
        "a tenth without an id",
        _sparse("sample_id"),
        "40 of the 400 rows tried would be set aside as missing_sample_id",
        "map it in columns",
    ),
)


@pytest.mark.parametrize(
    ("made", "what", "remedy"), [each[1:] for each in SUSPICIOUS], ids=[each[0] for each in SUSPICIOUS]
)
def test_what_looks_wrong_is_told_with_how_many_and_what_to_do(
    made: Change, what: str, remedy: str, tmp_path: Path
) -> None:
    found = checked(tmp_path, *made(np.random.default_rng(7)))
    assert found.mistakes == []
    told = [each for each in found.suspicions if what in each]
    assert len(told) == 1, found.suspicions
    assert remedy in told[0]
    assert told[0].startswith('model "m": source "samples": ')


MISTAKES: Sequence[tuple[str, Change, str]] = (
    (
        "labels count from 1",
        _relabelled(lambda label: int(label) + 1),
        "labels count from 1 where predicted classes count from 0",
    ),
    (
        "labels count from 0",
        _predicted(lambda name: int(name) + 1, ["0", "1", "2", "3"]),
        "labels count from 0 where predicted classes",
    ),
    (
        "two classes from 1",
        _relabelled(lambda label: int(label) + 1, ["0", "1"]),
        "labels count from 1 where predicted classes",
    ),
    ("capitals", _relabelled(str.upper, ["cat", "dog", "fox"]), "upper case on one side"),
    ("a capital in front", _relabelled(str.capitalize, ["cat", "dog"]), "upper case on one side"),
    (
        "one class in capitals",
        _relabelled(lambda label: "CAT" if label == "cat" else label, ["cat", "dog", "fox", "owl"]),
        "upper case on one side",
    ),
    (
        "names beside an index",
        _relabelled(lambda label: ["cat", "dog", "fox"][int(label)], ["0", "1", "2"]),
        "an index on one side and a name on the other",
    ),
    (
        "an index beside names",
        _predicted(lambda name: len(name), ["a", "bb", "ccc"]),
        "an index on one side and a name on the other",
    ),
    (
        "another language",
        _relabelled(lambda label: {"cat": "chat", "dog": "chien"}[label], ["cat", "dog"]),
        "none of 300 labels tried equals",
    ),
    (
        "codes beside names",
        _relabelled(lambda label: f"n{len(label):04}", ["a", "bb", "ccc"]),
        "none of 300 labels tried equals",
    ),
)


@pytest.mark.parametrize(("made", "what"), [each[1:] for each in MISTAKES], ids=[each[0] for each in MISTAKES])
def test_labels_and_classes_that_cannot_be_compared_are_a_mistake(made: Change, what: str, tmp_path: Path) -> None:
    found = checked(tmp_path, *made(np.random.default_rng(8)))
    (told,) = found.mistakes
    assert what in told
    assert "write both alike" in told


def test_blanks_and_floats_around_classes_are_none(tmp_path: Path) -> None:
    random = np.random.default_rng(9)
    (made,) = _relabelled(lambda label: f" {label}.0 ")(random)
    found = checked(tmp_path, made)
    assert (found.mistakes, found.suspicions) == ([], [])


NOTES: Sequence[tuple[str, Change, str]] = (
    (
        "scores a hair outside",
        _changed("binary", lambda _, s: {"score": np.where(s > 0.9, 1.0000001, s)}),
        "lie a hair outside 0 to 1",
    ),
    (
        "missing words",
        _changed("binary", lambda r, s: {"outcome": np.where(r.random(400) < 0.3, "n/a", outcomes(r, s).astype(str))}),
        '"n/a" (',
    ),
    (
        "minus and plus one",
        _changed("binary", lambda r, s: {"outcome": 2 * outcomes(r, s) - 1}),
        "are written −1, beside 1: they count as 0",
    ),
    ("scores that tell nothing", lambda r: [honest.random_scores(r)], "scores do not tell the outcomes apart"),
    ("frames of a film", lambda r: [honest.tracks(r)], "taken as predictions of their own"),
    (
        "a class that is never predicted",
        _predicted(lambda name: "dog" if name == "fox" else name, ["cat", "dog", "fox", "owl"]),
        "fox are never predicted",
    ),
    ("sure and wrong", lambda r: [honest.hardly_ever_right(r)], "% on average, and 19 % come true"),
    ("few of one outcome", lambda r: [honest.rare_event_overstated(r)], "every outcome of 60 samples tried is 0"),
    ("releases of a year", _releases, "25 versions in 6,000 rows"),
)


@pytest.mark.parametrize(("made", "what"), [each[1:] for each in NOTES], ids=[each[0] for each in NOTES])
def test_what_is_merely_worth_knowing_is_a_note(made: Change, what: str, tmp_path: Path) -> None:
    found = checked(tmp_path, *made(np.random.default_rng(10)))
    assert (found.mistakes, found.suspicions) == ([], [])
    assert [what in each for each in found.notes].count(True) == 1, found.notes


@pytest.mark.parametrize(
    ("made", "code", "lists"),
    [
        (_releases, 0, ("notes",)), (_turned, 1, ("suspicions",)), (MISTAKES[0][1], 2, ("mistakes",)),
        (lambda random: [honest.calibrated(random)], 0, ()),
    ],
)  # fmt: skip
@pytest.mark.parametrize("as_json", [False, True])
def test_the_exit_code_and_the_json_tell_which_it_is(
    made: Change, code: int, lists: Sequence[str], as_json: bool, tmp_path: Path
) -> None:
    checked(tmp_path, *made(np.random.default_rng(11)))
    arguments = ["check", "--config", str(tmp_path / "calwatch.toml"), *(["--json"] if as_json else [])]
    ran = CliRunner().invoke(app, arguments)
    if as_json:
        assert ran.exit_code == code
        told = json.loads(ran.stdout)
        assert {name for name in ("mistakes", "suspicions", "notes") if told[name]} >= set(lists)
        assert bool(told["mistakes"]) == (code == 2)
        assert code == 2 or bool(told["suspicions"]) == (code == 1)
    elif code < 2:
        assert ran.exit_code == code
        assert ("fine: 1 model" in ran.stdout) == (code == 0)
