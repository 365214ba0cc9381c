"""Predicted classes against the largest logit, and the guess at what is the matter where they differ."""

import duckdb
import numpy as np
import pytest
from numpy.typing import NDArray

from monitor.store.scores.agreement import Agreement, compare_classes, count_agreement, describe_agreement

PARTS = ("crack", "dent", "scratch", "stain")


def drawn(order: tuple[str, ...], n: int = 400, seed: int = 5) -> tuple[NDArray[np.str_], NDArray[np.float64]]:
    """Predicted classes and the logits of classes that stand in ``order``."""
    logits = np.random.default_rng(seed).normal(0, 3, (n, len(order)))
    return np.array(order)[logits.argmax(axis=1)], logits


def told(classes: tuple[str, ...], order: tuple[str, ...]) -> str:
    return describe_agreement(compare_classes(*drawn(order), classes), classes)


def test_classes_in_the_order_of_the_logits_agree_in_every_row() -> None:
    found = compare_classes(*drawn(PARTS), PARTS)
    assert (found.rows, found.share, found.is_broken) == (400, 1.0, False)
    assert (
        describe_agreement(found, PARTS, "sample")
        == "predicted_class is the class of the largest logit in 100 % of 400 samples"
    )


def test_without_predicted_classes_nothing_is_known() -> None:
    found = compare_classes(np.array(["", ""]), np.zeros((2, 3)), ())
    assert (found.share, found.is_broken, describe_agreement(found, ())) == (None, False, "")


def test_a_tie_for_the_largest_agrees() -> None:
    found = compare_classes(
        np.array(["1", "2", "0"]), np.array([[3.0, 3.0, 0.0], [0.0, 1.0, 1.0], [0.0, 1.0, 1.0]]), ()
    )
    assert (found.rows, found.agreeing) == (3, 2)


@pytest.mark.parametrize(("wrong", "broken"), [(0, False), (1, False), (4, False), (5, True), (400, True)])
def test_below_99_percent_it_is_broken(wrong: int, broken: bool) -> None:
    predicted, logits = drawn(PARTS)
    logits[:wrong] = -logits[:wrong]
    assert compare_classes(predicted, logits, PARTS).is_broken is broken


def test_one_row_of_a_few_that_differs_says_nothing_and_two_do() -> None:
    assert not Agreement({("a", 0): 9, ("b", 0): 1}, 9, 2).is_broken
    assert Agreement({("a", 0): 8, ("b", 0): 2}, 8, 2).is_broken


def test_what_is_not_all_does_not_read_as_all() -> None:
    assert "in 99.9 % of" in describe_agreement(Agreement({("a", 0): 9999, ("b", 0): 1}, 9999, 2), ("a", "b"))


@pytest.mark.parametrize(
    ("classes", "order", "guess"),
    [
        (PARTS, ("scratch", "dent", "stain", "crack"), "the order that most of them show"),
        (("stain", "dent", "crack", "scratch"), PARTS, "which is sorted alphabetically"),
        (tuple(map(str, range(12))), tuple(sorted(map(str, range(12)))), "which is sorted alphabetically"),
        ((), tuple(sorted(map(str, range(12)))), "which is sorted alphabetically"),
        (tuple(sorted(map(str, range(12)))), tuple(map(str, range(12))), "which is sorted by number"),
        ((), ("1", "2", "3", "4"), "which counts from 1"),
        ((), PARTS, "which is sorted alphabetically"),
        ((), ("stain", "dent", "crack", "scratch"), "the order that most of them show"),
        (("crack", "dent"), ("good", "crack", "dent"), "the order that most of them show"),
        (("Crack", "Dent"), ("crack", "dent"), "which is sorted alphabetically"),
    ],
)
def test_the_order_that_would_agree_is_named(classes: tuple[str, ...], order: tuple[str, ...], guess: str) -> None:
    listed = ", ".join(f'"{name}"' for name in order)
    assert told(classes, order).endswith(f"set classes = [{listed}], {guess}")


def test_a_background_that_is_never_predicted_leaves_its_place_open() -> None:
    predicted, logits = drawn(("crack", "dent", "stain"))
    logits = np.hstack([np.full((len(logits), 1), -50.0), logits])
    said = describe_agreement(
        compare_classes(predicted, logits, ("crack", "dent", "stain")), ("crack", "dent", "stain")
    )
    assert 'set classes = ["?", "crack", "dent", "stain"] ("?": never the largest)' in said


def test_a_class_that_is_rarely_predicted_gets_the_place_that_is_left() -> None:
    found = Agreement({("a", 2): 50, ("b", 0): 50}, 0, 3)
    assert 'classes = ["b", "c", "a"]' in describe_agreement(found, ("a", "b", "c"))


def test_sorted_vectors_are_recognised() -> None:
    predicted, logits = drawn(PARTS)
    assert "seem to be sorted" in describe_agreement(
        compare_classes(predicted, -np.sort(-logits, axis=1), PARTS), PARTS
    )


def test_logits_of_another_model_have_no_order_that_would_agree() -> None:
    predicted, _ = drawn(PARTS)
    said = describe_agreement(compare_classes(predicted, drawn(PARTS, seed=6)[1], PARTS), PARTS)
    assert "both have to come from the same model" in said
    assert "set classes" not in said


def test_a_word_that_is_no_class_is_named() -> None:
    predicted, logits = drawn(PARTS)
    rng = np.random.default_rng(1)
    said = describe_agreement(
        compare_classes(np.where(rng.random(400) < 0.5, "defect", predicted), logits, PARTS), PARTS
    )
    assert "predicted_class says defect, which is none of the classes" in said


def test_a_thousand_classes_are_not_listed() -> None:
    order = tuple(f"c{place:04}" for place in range(1000))
    said = describe_agreement(compare_classes(*drawn(order, n=3000), order[::-1]), order[::-1])
    assert "classes that begin with c0000, c0001, c0002 and 997 more, which is sorted alphabetically" in said


@pytest.mark.parametrize("classes", [(), ("b", "a", "c"), ("a",)])
@pytest.mark.parametrize("seed", range(3))
def test_counted_in_sql_it_is_the_same_as_in_numpy(classes: tuple[str, ...], seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.integers(0, 3, (200, 3)).astype(np.float64)  # many ties
    predicted = rng.choice(["0", "1", "2", "7", "a", "b", "c", "x", ""], 200)
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE staged (reason VARCHAR, predicted_class VARCHAR, logits FLOAT[])")
        rows = [[None, name or None, each] for name, each in zip(predicted.tolist(), logits.tolist(), strict=True)]
        connection.executemany(
            "INSERT INTO staged VALUES (?, ?, ?)", [*rows, ["bad_count", "a", [1.0]], [None, "a", None]]
        )
        assert count_agreement(connection, classes) == compare_classes(predicted, logits, classes)


def test_what_several_batches_show_adds_up() -> None:
    predicted, logits = drawn(PARTS)
    parts = (compare_classes(predicted[part], logits[part], PARTS) for part in (slice(0, 100), slice(100, 400)))
    assert sum(parts, Agreement()) == compare_classes(predicted, logits, PARTS)
