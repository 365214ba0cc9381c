"""What is held in memory follows the transaction: an ingest that was rolled back and tried again leaves what one that was not
leaves, however it failed."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from monitor.sources.ingest import ingest as ingesting
from monitor.sources.isolation.patience import OverdueError
from monitor.sources.pull import file_sources
from monitor.sources.renewal import renew as renewal
from monitor.store.cells import fold_and_drop
from monitor.store.dictionaries import LostNumberError, Registry
from monitor.store.model_store import ModelStore
from monitor.store.rewriting import rewrite_samples
from tests.sources.ingest.test_small_inputs import both_ways, left
from tests.worlds.fixtures import MakeWorld
from tests.worlds.store import DAY, HOUR, NOW, World, a_row, write_json_lines

MEMORY = "Out of Memory Error: could not allocate block of size 256.0 KiB (99.9 MiB/100.0 MiB used)"
ERRORS = [
    duckdb.OutOfMemoryException(MEMORY),
    duckdb.InternalException("INTERNAL Error: Attempted to access index 3 within vector of size 3"),
    OverdueError("was not read within 120 seconds"),
    MemoryError(),
]
STEPS = [
    "map_streams",
    "merge_staged",
    "take_back_conflicting",
    "quarantine_rows",
    "rewrite_samples",
    "remember_words",
    "write_cursor",
]


def fail_once(
    monkeypatch: pytest.MonkeyPatch, module: Any, step: str, error: BaseException, *, after: bool
) -> list[int]:
    """The step fails the first time that it is taken, ``after`` it is done or before; how often it was taken."""
    real: Callable[..., Any] = getattr(module, step)
    calls: list[int] = []

    def flaky(*args: Any, **named: Any) -> Any:
        calls.append(1)
        if len(calls) > 1:
            return real(*args, **named)
        if after:
            real(*args, **named)
        raise error

    monkeypatch.setattr(module, step, flaky)
    return calls


def send_files(world: World) -> None:
    """Three files, each with slices and versions of its own and of others, and one row that is bad."""
    for place, cameras in enumerate((["a", "b", "b"], ["b", "c"], ["d", "a", "a"])):
        rows = [
            a_row(f"s{place}{index}", camera=camera, version=f"v{place}", outcome=index % 2)
            for index, camera in enumerate(cameras)
        ]
        path = world.send(*rows, a_row(f"bad{place}", observed_at="yesterday"))
        os.utime(path, (NOW.timestamp() - 100 + place,) * 2)


def numbers_of(world: World) -> list[tuple[Any, ...]]:
    return world.rows("SELECT slice_id, count(DISTINCT labels) FROM slices GROUP BY slice_id HAVING count(*) > 1")


def without_told(found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name not in ("problems", "pulls")}


def left_after(world: World, patched: pytest.MonkeyPatch, *, together: bool) -> dict[str, Any]:
    """What a pull of the three files leaves."""
    send_files(world)
    if not together:
        patched.setattr("monitor.sources.inspect.BATCH_FILES", 1)
        patched.setattr("monitor.sources.inspect.BATCH_ROWS", 0)
    brought = world.pull()
    assert not numbers_of(world)
    return without_told(left(world, [brought]))


@pytest.fixture(scope="module")
def unfailed(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, dict[str, Any]]:
    """What is left where nothing fails, read together or one by one."""
    found = {}
    for together in (True, False):
        world = World.make(tmp_path_factory.mktemp("unfailed"))
        with pytest.MonkeyPatch.context() as patched:
            found[together] = left_after(world, patched, together=together)
        world.connection.close()
        assert len(found[together]["samples"]) == 8
    return found


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("after", [True, False])
@pytest.mark.parametrize("step", STEPS)
def test_an_ingest_tried_again_leaves_what_one_without_an_error_leaves(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    unfailed: dict[bool, dict[str, Any]],
    step: str,
    after: bool,
    together: bool,
) -> None:
    calls = fail_once(monkeypatch, ingesting, step, ERRORS[0], after=after)
    assert left_after(world, monkeypatch, together=together) == unfailed[together]
    assert len(calls) > 1


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_whatever_the_error_no_row_is_lost_or_counted_elsewhere(
    world: World, monkeypatch: pytest.MonkeyPatch, unfailed: dict[bool, dict[str, Any]], error: Exception
) -> None:
    fail_once(monkeypatch, ingesting, "merge_staged", error, after=True)
    assert left_after(world, monkeypatch, together=False) == unfailed[False]


def test_a_stop_after_the_commit_leaves_nothing_to_be_entered_twice(world: World) -> None:
    registry = world.registry()
    numbers: list[tuple[Any, ...]] = []

    def stop() -> None:
        with registry.transaction(world.connection):
            numbers.extend(_entered(world, registry, "a"))
            world.connection.execute("COMMIT")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()
    with registry.transaction(world.connection):
        assert _entered(world, registry, "a") == numbers
    assert world.one("SELECT count(*) FROM slices") == 1


def _entered(world: World, registry: Registry, camera: str) -> list[tuple[Any, ...]]:
    world.connection.execute(
        f"CREATE OR REPLACE TEMP TABLE staged AS SELECT NULL::VARCHAR AS reason, '{camera}' AS slice_key"
    )
    registry.map_slices(world.connection, world.model)
    return world.rows("FROM slice_keys")


def test_nothing_is_entered_outside_a_transaction_that_the_registry_follows(world: World) -> None:
    with pytest.raises(LostNumberError, match="outside"):
        _entered(world, world.registry(), "a")


def test_numbers_that_the_store_does_not_have_are_refused(world: World) -> None:
    registry = world.registry()
    with registry.transaction(world.connection):
        _entered(world, registry, "a")
    world.connection.execute("DELETE FROM slices")
    with pytest.raises(LostNumberError, match="slice camera=a is not stored"), registry.transaction(world.connection):
        _entered(world, registry, "a")


def test_a_number_that_is_of_another_slice_is_refused(world: World) -> None:
    registry = world.registry()
    with registry.transaction(world.connection):
        _entered(world, registry, "a")
    world.connection.execute("UPDATE slices SET labels = map(['camera'], ['b'])")
    with pytest.raises(LostNumberError, match="slice camera=a is not stored"), registry.transaction(world.connection):
        _entered(world, registry, "a")


@pytest.mark.parametrize("column", ["slice_id", "stream_id"])
def test_no_sample_comes_in_under_a_number_that_stands_for_nothing(world: World, column: str) -> None:
    world.take(a_row("s1"))
    registry = world.registry()
    world.connection.execute("CREATE OR REPLACE TEMP TABLE replaced AS SELECT rowid AS row_key, * FROM samples")
    world.connection.execute(
        f"CREATE OR REPLACE TEMP TABLE incoming AS SELECT * REPLACE (99::INTEGER AS {column}) FROM replaced"
    )
    with pytest.raises(LostNumberError, match="sample s1"), registry.transaction(world.connection):
        rewrite_samples(ModelStore(world.connection, registry, world.model))
    assert len(world.samples()) == 1


def retry_all(world: World, registry: Registry) -> None:
    ingesting.retry_parked(ModelStore(world.connection, registry, world.model), NOW)


def renew_all(world: World, registry: Registry) -> None:
    renewal.renew_meaning(
        ModelStore(world.connection, registry, world.model), file_sources(world.model, world.base), NOW
    )


@pytest.mark.parametrize(
    ("act", "module", "step"), [(retry_all, ingesting, "merge_staged"), (renew_all, renewal, "store_notes")]
)
def test_other_transactions_give_the_registry_back_too(
    make_world: MakeWorld,
    monkeypatch: pytest.MonkeyPatch,
    act: Callable[[World, Registry], None],
    module: Any,
    step: str,
) -> None:
    labels = '[[model.source]]\nname = "labels"\npath = "labels/*"\nholds = "labels"\n'
    world = make_world(source=f'[[model.source]]\npath = "in/*"\n\n{labels}')
    world.take(a_row("s1", camera="Ａ"))
    world.send({"sample_id": "s9", "outcome": 1, "labelled_at": "2026-03-10 11:00:00"}, folder="labels")
    world.pull()
    world.connection.execute("UPDATE models SET label_basis = NULL")
    world.connection.execute("UPDATE slices SET labels = map(['camera'], [' A '])")
    registry = world.registry()
    before = dict(registry.slices)
    fail_once(monkeypatch, module, step, RuntimeError("stopped"), after=True)
    with pytest.raises(RuntimeError, match="stopped"):
        act(world, registry)
    assert registry.slices == before == world.registry().slices


def test_a_fold_that_fails_gives_no_place_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.take(a_row("s1"))
    registry = world.registry()
    later = NOW + 400 * DAY

    def stop(*_: object) -> None:
        raise RuntimeError("stopped")

    monkeypatch.setattr("monitor.store.places.forget_folded_before", stop)
    with pytest.raises(RuntimeError, match="stopped"):
        fold_and_drop(ModelStore(world.connection, registry, world.model), later)
    assert registry.values == {"camera": {"c1"}}
    assert world.rows("SELECT value FROM slice_values") == [("c1",)]


def lose(world: World, camera: str) -> None:
    """As an earlier release left it."""
    world.connection.execute("DELETE FROM source_facts WHERE fact = 'slices_looked_at'")
    world.connection.execute("DELETE FROM slices WHERE labels['camera'] = ?", [camera])


@pytest.mark.parametrize("grouped", [False, True])
def test_rows_that_lost_their_slice_are_put_back_where_they_belong(make_world: MakeWorld, grouped: bool) -> None:
    world, whole = make_world(folder="lost"), make_world(folder="whole")
    for each in (world, whole):
        group = {"group_id": "g"} if grouped else {}
        each.take(a_row("s1", camera="a", **group), a_row("s2", camera="b", outcome=0, **group))
        each.take(a_row("s3", camera="a", outcome=0, **group))
    lose(world, "a")
    brought = world.pull(NOW + HOUR)["samples"]
    (problem,) = [each for each in brought.problems if each.reason == "slices_mended"]
    assert problem.message.startswith("2 rows had lost their slice")
    assert "the files of 2 are read again" in problem.message
    assert (brought.new, brought.changed_predictions) == (0, 0)
    assert world.samples() == whole.samples()
    assert world.cells() == whole.cells()
    assert world.group_cells() == whole.group_cells()
    assert world.rows("SELECT reason FROM source_notes") == [("slices_mended",)]
    assert not world.pull(NOW + 2 * HOUR)["samples"].problems


def test_rows_whose_file_is_gone_stay_counted_among_the_others(world: World) -> None:
    world.take(a_row("s1", camera="a"), a_row("s2", camera="b"))
    for path in (world.base / "in").iterdir():
        path.unlink()
    lose(world, "a")
    world.connection.execute("UPDATE samples SET file_id = -5")
    brought = world.pull(NOW + HOUR)["samples"]
    assert "send them again" in brought.problems[0].message
    assert world.rows("SELECT labels['camera'], sum(n)::INT FROM cells JOIN slices USING (slice_id) GROUP BY 1 ORDER BY 1") == [
        ("__other__", 1), ("b", 1)
    ]  # fmt: skip


def test_cells_that_lost_their_slice_and_outlived_their_samples_are_kept(world: World) -> None:
    world.take(a_row("s1", camera="a"), a_row("s2", camera="b"))
    world.connection.execute("DELETE FROM samples")
    lose(world, "a")
    world.pull(NOW + HOUR)
    assert world.one("SELECT sum(n)::INT FROM cells JOIN slices USING (slice_id)") == 2


def test_rows_that_lost_their_stream_have_one_again(world: World) -> None:
    world.take(a_row("s1"), a_row("s2", version="v2"))
    before = world.samples()
    world.connection.execute("DELETE FROM source_facts WHERE fact = 'slices_looked_at'")
    world.connection.execute("DELETE FROM streams WHERE version = 'v2'")
    brought = world.pull(NOW + HOUR)["samples"]
    assert [each.reason for each in brought.problems] == ["slices_mended"]
    assert brought.changed_predictions == 0
    assert world.samples() == before


LIMITS = [
    "max_versions = 1",
    "max_versions = 3",
    "max_slice_values = 1",
    "max_slice_values = 2",
    "max_slice_values = 3",
]


@pytest.mark.parametrize("extra", LIMITS)
@pytest.mark.parametrize("repeats", [False, True])
def test_places_go_to_the_first_file_however_many_come_together(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch, extra: str, repeats: bool
) -> None:
    def write(base: Path, number: int) -> None:
        for place, cameras in enumerate((["a"], ["b", "b2"], ["a"], ["c", "b2", "d"], ["e", "a"], ["f"])):
            rows = [
                a_row(f"s{number}{'' if repeats else place}{camera}{index}", camera=camera, version=f"v-{camera}")
                for camera in cameras
                for index in range(1 + 3 * place)
            ]
            path = base / "in" / f"{number}{place}.jsonl"
            write_json_lines(path, rows)
            os.utime(path, (NOW.timestamp() - 100 + place,) * 2)

    found, sizes = both_ways(make_world, monkeypatch, write, extra=extra)
    assert found["samples"]
    assert max(sizes) > 1
