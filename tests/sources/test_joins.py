"""Ids of two sides that should meet: how many do, and why the others do not."""

import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from monitor.sources.findings.joins import Compared, compare_ids, guess_difference, guess_times

AT = datetime(2026, 3, 10, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
N = range(1, 601)
Write = Callable[[int], str]
UUIDS = [uuid.UUID(int=number * 0x9E3779B97F4A7C15F39CC0605CEDC834 % 2**128) for number in range(601)]


@pytest.mark.parametrize(
    ("label", "prediction", "why"),
    [
        (lambda i: f"{i:06}", str, "leading zeros"),
        (lambda i: f"img_{i:04}.png", lambda i: f"img_{i}.png", "leading zeros"),
        (lambda i: f"{i}.0", str, "numbers written in another way"),
        (lambda i: f"{i * 10**6:e}", lambda i: str(i * 10**6), "numbers written in another way"),
        (lambda i: f"IMG{i}A", lambda i: f"img{i}a", "upper and lower case"),
        (lambda i: f" {i} ", str, "blanks"),
        (lambda i: f"{i}\u00a0", str, "blanks"),
        (lambda i: f"\ufeff{i}", str, "blanks"),
        (lambda i: f"'{i}'", str, "quotes"),
        (lambda i: f"a%20{i}", lambda i: f"a {i}", "blanks and escapes such as %20"),
        (lambda i: f"tra\u0308ger{i}", lambda i: f"tr\u00e4ger{i}", "letters in other Unicode forms"),
        (lambda i: f"{i}.jpg", lambda i: f"{i}.png", "the file ending"),
        (lambda i: f"{i}.nii.gz", str, "the file ending"),
        (lambda i: f"img/{i}.jpg", lambda i: f"{i}.jpg", "the path in front"),
        (lambda i: f"C:\\img\\{i}.jpg", str, "the path in front and the file ending"),
        (lambda i: f"s3://b/c{i % 3}/{i:05}.jpg", str, "the path in front, the file ending and leading zeros"),
        (lambda i: UUIDS[i].hex, lambda i: str(UUIDS[i]), "the marks between parts"),
        (lambda i: f"2026-{i}", lambda i: f"2026_{i}", "the marks between parts"),
        (lambda i: f"scan_{i}", str, '"scan_" in front of labels'),
        (
            lambda i: f"frame{i:05}_v2",
            str,
            '"frame" in front of labels and "_v2" at the end of labels and leading zeros',
        ),
        (lambda i: f"c{i % 3}-{i}", str, "what stands in front"),
        (lambda i: f"{i}_{i % 7}", str, "what stands behind"),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_in_what_ids_differ_is_seen_from_either_side(label: Write, prediction: Write, why: str, turned: bool) -> None:
    if turned:
        label, prediction = prediction, label
        why = why.replace("of labels", "of predictions")
    found = compare_ids([label(i) for i in N], [prediction(i) for i in N])
    assert (found.labels, found.found, found.predictions) == (600, 0, 600)
    assert f" of predictions but for {why}: label " in found.guess, found.guess
    assert found.guess.startswith("all of the 600 ids compared are those")
    assert (found.label_examples, found.prediction_examples) == ((label(1), label(2)), (prediction(1), prediction(2)))


@pytest.mark.parametrize(
    ("labels", "predictions"),
    [
        ([each.hex for each in UUIDS[:300]], [str(each) for each in UUIDS[300:600]]),
        ([str(i) for i in range(10_000, 10_600)], [str(i) for i in N]),
        (["a", "b", "c"], ["x", "y", "z"]),
        ([str(i) for i in N], []),
        ([], [str(i) for i in N]),
        (["left"] * 600, ["right"] * 600),
        ([f"{i}" for i in N], [f"{chr(97 + i % 26)}" for i in N]),
    ],
)
def test_where_nothing_can_be_seen_nothing_is_guessed(labels: Sequence[str], predictions: Sequence[str]) -> None:
    assert compare_ids(labels, predictions).guess == ""


def test_labels_of_images_beside_predictions_of_boxes_are_told_as_that() -> None:
    guess = guess_difference([f"img{i}" for i in N], [f"img{i}_{box}" for i in N for box in range(4)])
    assert guess == (
        'all of the 600 ids compared are a part of several predictions\': "img1" of "img1_0", "img1_1"; sample_id must name '
        "one prediction, such as a box, not what holds them all, such as the image"
    )


def test_labels_that_name_groups_are_told_as_that() -> None:
    guess = guess_difference([f"p{i}" for i in N], [f"x{i}" for i in N], [f"p{i}" for i in N])
    assert (
        guess
        == "all of the 600 ids compared are those of groups (group_id): sample_id must name the prediction, not its group"
    )


def test_file_names_that_stand_in_several_folders_are_no_match_by_the_name_alone() -> None:
    guess = guess_difference([f"{i}.jpg" for i in N], [f"d{k}/{i}.jpg" for i in N for k in range(3)])
    assert "a part of several predictions'" in guess


def test_some_that_differ_among_many_that_join_are_seen() -> None:
    labels = [str(i) for i in range(1, 551)] + [f"{i:05}" for i in range(551, 601)]
    found = compare_ids(labels, [str(i) for i in N])
    assert found.found == 550
    assert found.share == pytest.approx(550 / 600)
    assert found.guess == (
        'all of the 50 ids compared are those of predictions but for leading zeros: label "00551", prediction "551"'
    )


def test_two_that_meet_among_hundreds_by_chance_are_no_reason() -> None:
    labels = [f"0{i}" for i in (5, 6)] + [each.hex for each in UUIDS[:598]]
    assert compare_ids(labels, [str(i) for i in N]).guess == ""


def test_numbers_run_together_are_no_reason() -> None:
    guess = guess_difference([f"{i}_{i % 7}" for i in N], [str(i) for i in N])
    assert "marks" not in guess


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (
            compare_ids(["0.0"] * 600, ["0"] * 5),
            'of 600 labels tried none finds a prediction among the 5 tried: labels of "0.0", predictions of "0"; the one id '
            'compared is that of predictions but for numbers written in another way: label "0.0", prediction "0"',
        ),
        (compare_ids(["1", "2"], ["1", "2"]), "of 2 labels tried 2 find a prediction among the 2 tried"),
        (compare_ids(["1"], ["1", "2"]), "of 1 label tried 1 finds a prediction among the 2 tried"),
        (Compared(0, 0, 3), "of 0 labels tried none finds a prediction among the 3 tried"),
    ],
)
def test_what_came_of_it_is_a_sentence(found: Compared, told: str) -> None:
    assert found.sentence == told


def test_the_share_of_no_labels_is_unknown() -> None:
    assert compare_ids([], ["1"]).share is None


def test_ids_beyond_reason_are_compared_all_the_same() -> None:
    odd = ["", " ", "\x00", "…" * 5000, "9" * 50, "1e99", "%", "%zz", "///", "...", "-", "\ud7ff", "İ"]
    assert guess_difference(odd, odd[::-1]) is not None
    assert guess_difference([each + "x" for each in odd], odd) is not None


@pytest.mark.parametrize(
    ("waits", "told"),
    [
        ([], ""),
        (
            [(AT, None, AT + HOUR), (AT, None, AT + 2 * HOUR)],
            "2 of them name a prediction that is there, but one observed after the label, by up to 2 h: is time_zone right on "
            "both sides?",
        ),
        (
            [(AT, AT - HOUR, AT - 2 * HOUR)],
            "1 of them names a prediction that is there, but another observed_at: 2026-03-10 09:00:00.000000 in the label, "
            "2026-03-10 08:00:00.000000 in the prediction; leave observed_at out of the labels, or write it alike",
        ),
        (
            [(AT, None, AT - 40 * 24 * HOUR)],
            "1 of them names a prediction that is there, but one observed longer before the label than label_horizon: raise "
            "label_horizon (30d): labels that come later take 40d at the median, 40d at most",
        ),
        ([(AT, None, AT - HOUR), (AT, AT - HOUR, AT - HOUR), (None, None, AT)], ""),
    ],
)
def test_times_that_keep_labels_from_predictions_that_are_there_are_told(
    waits: Sequence[tuple[datetime | None, datetime | None, datetime]], told: str
) -> None:
    assert guess_times(waits, 30 * 24 * HOUR) == told
