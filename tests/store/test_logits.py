"""What the column logits holds; probabilities are stored as their logarithm, however few come at a time."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import duckdb
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit, log_softmax, softmax

from monitor.config.sources import SourceSettings
from monitor.model import Slice
from monitor.recalibration.calibrators import Temperature
from monitor.store.scores.agreement import Agreement, compare_classes
from monitor.store.scores.logits import (
    Kinds,
    count_kinds,
    load_holdings,
    load_raw_until,
    normalize_logits,
    remark_logits,
    suspect_logits,
)
from monitor.store.scores.served import Serving
from monitor.store.source_facts import load_facts
from tests.worlds.fixtures import MakeWorld
from tests.worlds.store import NOW, Row, World, a_row

Floats = NDArray[np.float64]
PROBABLY = '[[model.source]]\npath = "in/*"\nlogits_are = "probabilities"\n'
SURELY_LOGITS = '[[model.source]]\npath = "in/*"\nlogits_are = "logits"\n'
OPEN, TAKEN_AS_PROBABILITIES, TAKEN_AS_LOGITS = (
    SourceSettings.model_validate({"path": "in/*", "logits_are": each}) for each in (None, "probabilities", "logits")
)


def z(n: int = 200, classes: int = 4, scale: float = 3.0, seed: int = 7) -> Floats:
    return np.random.default_rng(seed).normal(0, scale, (n, classes))


def q(n: int = 200, classes: int = 4, scale: float = 3.0, seed: int = 7) -> Floats:
    found: Floats = softmax(z(n, classes, scale, seed), axis=1)
    return found


def one_hot(n: int = 200) -> Floats:
    found: Floats = np.eye(4)[z(n).argmax(axis=1)]
    return found


def bfloat16(values: Floats) -> Floats:
    bits = (values.astype(np.float32).view(np.uint32) + 0x8000) & 0xFFFF0000
    return bits.astype(np.uint32).view(np.float32).astype(np.float64)


HEADS: dict[str, tuple[Callable[[], Floats], str | None]] = {
    "logits": (z, "logits"),
    "small logits of two classes": (lambda: z(classes=2, scale=0.5), "logits"),
    "logits of a thousand classes": (lambda: z(40, 1000), "logits"),
    "logits behind a ReLU": (lambda: np.maximum(z(), 0), "logits"),
    "log-softmax": (lambda: log_softmax(z(), axis=1), "logits"),
    "softmax": (q, "probabilities"),
    "softmax of two classes": (lambda: q(classes=2), "probabilities"),
    "softmax of a thousand classes": (lambda: q(40, 1000), "probabilities"),
    "softmax in float16": (lambda: q(classes=100).astype(np.float16).astype(np.float64), "probabilities"),
    "softmax in bfloat16": (lambda: bfloat16(q()), "probabilities"),
    "softmax to two digits": (lambda: q().round(2), "probabilities"),
    "softmax that saturates": (lambda: q(scale=80.0), "probabilities"),
    "softmax in per cent": (lambda: 100 * q(), "probabilities"),
    "softmax, one inference in ten failed": (lambda: q() * (np.arange(200) % 10 > 0)[:, None], "probabilities"),
    "one-hot": (one_hot, "neither"),
    "independent sigmoids": (lambda: expit(z()), "neither"),
    "the three most probable of a hundred": (lambda: -np.sort(-q(classes=100, scale=1.0), axis=1)[:, :3], "neither"),
    "cosines of images and texts": (lambda: np.random.default_rng(3).normal(0.25, 0.03, (200, 7)), "neither"),
    "half probabilities": (lambda: np.vstack([q(100), z(100)]), "mixed"),
    "too few": (lambda: q(19), None),
    "one number a row": (lambda: expit(z(classes=1)), None),
}


def seen(values: Floats) -> Kinds:
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE staged (position BIGINT, reason VARCHAR, logits FLOAT[])")
        rows: list[list[Any]] = [[place, None, each] for place, each in enumerate(values.tolist())]
        connection.executemany(
            "INSERT INTO staged VALUES (?, ?, ?)",
            [*rows, [-1, "bad_count", [0.5, 0.5]], [-2, None, None], [-3, None, []]],
        )
        return count_kinds(connection)


@pytest.mark.parametrize("name", HEADS)
def test_what_a_head_gives_is_recognised(name: str) -> None:
    make, verdict = HEADS[name]
    assert seen(make()).verdict == verdict


def test_kinds_of_batches_add_up() -> None:
    assert seen(q(40)) + seen(z(60)) == seen(np.vstack([q(40), z(60)]))


def rows_of(values: Floats, first: int = 0, **more: Any) -> list[Row]:
    return [a_row(f"s{first + place:05}", logits=each, **more) for place, each in enumerate(values.tolist())]


def stored(world: World) -> Floats:
    return np.array([each for (each,) in world.rows("SELECT logits FROM samples ORDER BY sample_id")])


def told(world: World, *rows: Row) -> list[str]:
    return [problem.message for problem in world.take(*rows).problems]


def assert_stored(world: World, values: Floats) -> None:
    """To what float32 keeps of a probability near 1."""
    np.testing.assert_allclose(stored(world), values, rtol=1e-5, atol=1e-6)


def fact(world: World) -> str | None:
    return load_facts(world.connection, 1, "samples").get("logits_are")


def logarithm(values: Floats) -> Floats:
    return np.log(np.maximum(values, 1e-30))


def test_probabilities_are_stored_as_their_logarithm_and_this_is_told_once(world: World) -> None:
    values = q()
    (said,) = told(world, *rows_of(values[:100]))
    assert said == (
        "the column logits holds probabilities (0 to 1, sum 1): their logarithm is used; "
        'logits_are = "probabilities" in [[model.source]] says so for good'
    )
    assert told(world, *rows_of(values[100:], first=100)) == []
    assert_stored(world, logarithm(values))
    assert fact(world) == "probabilities"
    assert load_holdings(world.store()) == {"probabilities"}


def test_a_probability_of_zero_is_floored(world: World) -> None:
    world.take(*rows_of(np.vstack([q(30), [[0.0, 0.25, 0.75, 0.0]], one_hot(1)])))
    np.testing.assert_allclose(stored(world)[30], np.log([1e-30, 0.25, 0.75, 1e-30]), rtol=1e-6)
    assert stored(world)[31].min() == pytest.approx(np.log(1e-30))


def test_percentages_are_told_as_such(world: World) -> None:
    (said,) = told(world, *rows_of(100 * q()))
    assert said.startswith("the column logits holds percentages (sum 100): their logarithm is used")
    assert_stored(world, logarithm(100 * q()))


@pytest.mark.parametrize("values", [z(), log_softmax(z(), axis=1), z(classes=2, scale=0.5)])
def test_logits_stay_as_they_are_and_nothing_is_said(world: World, values: Floats) -> None:
    assert told(world, *rows_of(values)) == []
    assert_stored(world, values)
    assert fact(world) == "logits"


@pytest.mark.parametrize(
    ("values", "words"),
    [(expit(z()), "independent sigmoids"), (one_hot(), "one-hot vectors (a 1 and zeros)")],
)
def test_what_is_neither_stays_as_it_is_and_this_is_told(world: World, values: Floats, words: str) -> None:
    (said,) = told(world, *rows_of(values))
    assert words in said
    assert "refits do not use them" in said
    assert_stored(world, values)


@pytest.mark.parametrize("values", [z(), q(), one_hot(), expit(z())])
def test_the_configuration_has_the_last_word(make_world: MakeWorld, values: Floats) -> None:
    world = make_world(source=SURELY_LOGITS)
    assert told(world, *rows_of(values)) == []
    assert_stored(world, values)
    assert load_holdings(world.store()) == {"logits"}


def test_a_single_row_counts_where_the_configuration_speaks(make_world: MakeWorld) -> None:
    world = make_world(source=PROBABLY)
    told(world, *rows_of(np.array([[0.2, 0.3]])))
    assert_stored(world, np.log([[0.2, 0.3]]))
    assert load_holdings(world.store()) == {"probabilities"}


@pytest.mark.parametrize("source", [PROBABLY, ""])
@pytest.mark.parametrize("wrong", [[3.0, -1.0, 0.2, 0.4], [0.0, 0.0, 0.0, 0.0], [0.9, 0.9, 0.9, 0.9]])
def test_what_can_be_no_probabilities_is_quarantined_among_them(
    make_world: MakeWorld, source: str, wrong: list[float]
) -> None:
    world = make_world(source=source)
    assert world.take(*rows_of(np.vstack([q(40), [wrong]]))).quarantined == {"bad_logits": 1}
    assert len(stored(world)) == 40


def test_rows_pushed_one_by_one_are_right_from_the_first_on(world: World) -> None:
    values = q(25)
    said = [text for place, each in enumerate(values) for text in told(world, *rows_of(each[None], place))]
    assert_stored(world, logarithm(values))
    assert len(said) == 1
    assert fact(world) == "probabilities"


def test_coarse_probabilities_pushed_one_by_one_are_put_right_once_there_are_twenty(world: World) -> None:
    values = q(20).astype(np.float16).astype(np.float64)
    values[::2] *= 0.99  # beyond what one vector alone is believed with
    for place, each in enumerate(values[:19]):
        assert told(world, *rows_of(each[None], place)) == []
    assert (stored(world)[0] > 0).all()
    (said,) = told(world, *rows_of(values[19:], 19))
    assert "probabilities" in said
    np.testing.assert_allclose(stored(world), logarithm(values), rtol=1e-3, atol=1e-5)


def test_logits_pushed_one_by_one_stay_logits_though_some_look_like_probabilities_by_chance(world: World) -> None:
    values = z(30, 2)
    values[[4, 25]] = [[0.25, 0.75], [0.4, 0.6]]
    for place, each in enumerate(values):
        told(world, *rows_of(each[None], place))
    assert fact(world) == "logits"
    np.testing.assert_allclose(stored(world)[25], [0.4, 0.6], rtol=1e-6)  # once twenty were seen, chance has no say


def test_files_read_again_change_nothing(world: World) -> None:
    values = q(30)
    path = world.send(*rows_of(values[:10]))
    assert world.take().new == 10
    world.take(*rows_of(values[10:], first=10))
    path.write_text(path.read_text("utf-8") + "\n", "utf-8")
    again = world.take()
    assert (again.new, again.corrected, again.duplicates) == (0, 0, 10)


@pytest.mark.parametrize("each_time", [1, 7, 60])
def test_a_producer_that_changes_to_probabilities_is_noticed(world: World, each_time: int) -> None:
    """In a batch at once; in pushes of few rows after twenty of them, whose rows are then put right too."""
    assert told(world, *rows_of(z(100))) == []
    values = q(60)
    said: list[str] = []
    for first in range(0, 60, each_time):
        said += told(world, *rows_of(values[first : first + each_time], 100 + first))
    assert any("holds probabilities (0 to 1, sum 1)" in text for text in said)
    found = stored(world)
    np.testing.assert_allclose(found[:100], z(100), rtol=1e-6)
    np.testing.assert_allclose(found[100:], logarithm(values), rtol=1e-5)
    assert load_raw_until(world.connection, "m") is None  # calibrators so far were fitted on true logits


def test_a_producer_that_changes_to_logits_is_noticed_in_a_batch(world: World) -> None:
    told(world, *rows_of(q(50)))
    (said,) = told(world, *rows_of(z(50), 50))
    assert said.startswith("the column logits, which held probabilities so far, holds logits")
    assert_stored(world, np.vstack([logarithm(q(50)), z(50)]))


def test_vectors_of_both_kinds_are_each_taken_for_what_they_look_like_and_this_is_told(world: World) -> None:
    values = np.vstack([q(50), z(50)])
    (said,) = told(world, *rows_of(values))
    assert "some vectors in the column logits are probabilities and others are not" in said
    assert_stored(world, np.vstack([logarithm(values[:50]), values[50:]]))
    assert told(world, *rows_of(values, 100)) == []


def test_sources_are_told_apart(make_world: MakeWorld) -> None:
    world = make_world(source='[[model.source]]\npath = "in/*"\n[[model.source]]\nname = "old"\npath = "labels/*"\n')
    world.send(*rows_of(q(30)))
    world.send(*rows_of(z(30), 30), folder="labels")
    world.take()
    assert_stored(world, np.vstack([logarithm(q(30)), z(30)]))
    assert load_holdings(world.store()) == {"probabilities", "logits"}


def test_what_was_stored_before_anybody_looked_is_put_right_and_calibrators_of_then_are_known(world: World) -> None:
    world.take(*rows_of(z(40)))
    world.connection.execute("DELETE FROM source_facts")
    world.connection.executemany(
        "UPDATE samples SET logits = ? WHERE sample_id = ?",
        [[q(40)[place].tolist(), f"s{place:05}"] for place in range(40)],
    )
    told(world, *rows_of(q(25, seed=8), 40))
    assert_stored(world, logarithm(np.vstack([q(40), q(25, seed=8)])))
    assert load_raw_until(world.connection, "m") == NOW.replace(tzinfo=None)


def test_batches_without_logits_leave_no_trace(world: World) -> None:
    assert told(world, a_row("a"), a_row("b")) == []
    assert not [fact for fact in load_facts(world.connection, 1, "samples") if fact.startswith("logits")]


def test_a_calibrator_that_calwatch_applies_gets_logarithms(make_world: MakeWorld) -> None:
    world = make_world(source='[model.recalibration]\napply = "monitor"\n[[model.source]]\npath = "in/*"\n')
    calibrator = Temperature(2.0, multiclass=True)
    needs = Serving(Slice(), "t", NOW - timedelta(days=30), None, calibrator.apply, needs_logits=True)
    world.take(*rows_of(q(30)), serving=[needs])
    scores = [score for (score,) in world.rows("SELECT score FROM samples ORDER BY sample_id")]
    np.testing.assert_allclose(scores, softmax(z(30) / 2, axis=1).max(axis=1), atol=1e-6)


def test_a_settled_fact_is_not_written_again(world: World) -> None:
    for first in range(0, 120, 40):
        told(world, *rows_of(z(40), first))
    world.connection.execute("BEGIN")
    before = world.rows("SELECT * FROM source_facts ORDER BY ALL")
    world.connection.execute("CREATE OR REPLACE TEMP TABLE staged (position BIGINT, reason VARCHAR, logits FLOAT[])")
    world.connection.execute("INSERT INTO staged SELECT range, NULL, [range, -range, 0.0] FROM range(1, 100)")
    assert normalize_logits(world.connection, 1, "samples", OPEN, NOW + timedelta(days=1)) is None
    world.connection.execute("ROLLBACK")
    assert world.rows("SELECT * FROM source_facts ORDER BY ALL") == before


def test_check_notes_probabilities_and_suspects_nothing() -> None:
    (note,) = remark_logits(seen(q()), OPEN)
    assert note == (
        "the column logits holds probabilities (0 to 1, sum 1): their logarithm is used; "
        'logits_are = "probabilities" in [[model.source]] says so for good'
    )
    assert suspect_logits(seen(q()), Agreement(), (), OPEN) == []
    assert remark_logits(seen(q()), TAKEN_AS_PROBABILITIES) == []
    assert remark_logits(seen(q(3)), OPEN) == [note]


def test_check_has_nothing_to_say_of_logits_in_the_order_of_their_classes() -> None:
    predicted = z().argmax(axis=1).astype(str)
    assert remark_logits(seen(z()), OPEN) == []
    assert suspect_logits(seen(z()), compare_classes(predicted, z(), ()), (), OPEN) == []
    assert suspect_logits(Kinds(), Agreement(), (), OPEN) == []


def test_check_suspects_classes_in_another_order() -> None:
    classes = ("crack", "dent", "scratch", "stain")
    predicted = np.array(["scratch", "dent", "stain", "crack"])[z().argmax(axis=1)]
    (said,) = suspect_logits(seen(z()), compare_classes(predicted, z(), classes), classes, OPEN)
    assert 'set classes = ["scratch", "dent", "stain", "crack"]' in said
    assert said.endswith("Until then refits use scores, not logits")


@pytest.mark.parametrize("values", [expit(z()), one_hot(), np.vstack([q(50), z(50)])])
def test_check_suspects_what_is_neither_or_both(values: Floats) -> None:
    assert len(suspect_logits(seen(values), Agreement(), (), OPEN)) == 1
    assert suspect_logits(seen(values), Agreement(), (), TAKEN_AS_LOGITS) == []


def test_check_suspects_a_configuration_that_the_vectors_belie() -> None:
    (said,) = suspect_logits(seen(z()), Agreement(), (), TAKEN_AS_PROBABILITIES)
    assert "can be no probabilities (0 to 1, sum 1) and would be set aside as bad_logits" in said
    (note,) = remark_logits(seen(q()), TAKEN_AS_LOGITS)
    assert (
        note
        == 'the column logits looks like probabilities (0 to 1, sum 1) and is taken as it is: logits_are = "logits"'
    )


def test_check_notes_that_one_number_a_row_is_no_vector() -> None:
    assert remark_logits(seen(expit(z(classes=1))), OPEN) == [
        "the column logits holds one number a row, which no refit uses: scores go to score or raw_score"
    ]
