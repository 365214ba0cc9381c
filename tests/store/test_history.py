"""Questions to the past: bounded, the same from the live database and from the snapshot, and no obstacle to closing."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import duckdb
import pytest

from monitor.model import Slice
from monitor.model.errors import StoreError
from monitor.model.history import Event, EventKind
from monitor.store.connection import open_live
from monitor.store.published.history import History
from monitor.store.published.reader_pool import Archive
from monitor.store.published.snapshot import Publisher

NOW = datetime(2026, 3, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
NIGHT = Slice.of({"camera": "c3", "lighting": "night"})
READING = (
    'INSERT INTO {table} (model, version, slice, "window", window_start, window_end, computed_at, state, samples, unlabelled, '
    "ece, ece_debiased) VALUES ('m', $version, $slice, '24h', $at, $at, $at, $state, 10, 0, $ece, $ece)"
)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    opened = open_live(tmp_path, now=NOW)
    yield opened
    opened.close()


def naive(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None)


def read(
    connection: duckdb.DuckDBPyConnection, at: datetime, ece: float | None, *, table: str = "readings", version: str = "v1",
    slice_: Slice = NIGHT,
) -> None:  # fmt: skip
    state = "ok" if ece is not None else "insufficient"
    own = {"version": version, "slice": slice_.text, "at": naive(at), "ece": ece, "state": state}
    connection.execute(READING.format(table=table), own)


def test_a_course_holds_history_and_the_newest_reading_and_nothing_of_others(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    read(connection, NOW - 2 * HOUR, 0.1)
    read(connection, NOW - HOUR, None)
    read(connection, NOW - HOUR, 0.9, slice_=Slice())
    read(connection, NOW, 0.3, table="newest_readings")
    points = History(connection, live=True).readings("m", NIGHT, "24h", NOW)
    assert [(point.at, point.ece, point.state) for point in points] == [
        (NOW - 2 * HOUR, 0.1, "ok"), (NOW - HOUR, None, "insufficient"), (NOW, 0.3, "ok"),
    ]  # fmt: skip


def test_a_long_course_is_thinned_to_the_last_reading_of_each_span(connection: duckdb.DuckDBPyConnection) -> None:
    for hours in range(1000):
        read(connection, NOW - hours * HOUR, hours / 1000)
    history = History(connection, live=True)
    points = history.readings("m", NIGHT, "24h", NOW, NOW - 1000 * HOUR, points=100)
    assert len(points) == 100
    assert points[-1].at == NOW
    steps = {later.at - sooner.at for sooner, later in pairwise(points)}
    assert steps == {10 * HOUR}
    assert len(history.readings("m", NIGHT, "24h", NOW, NOW - 1000 * HOUR)) <= 500


def test_versions_are_thinned_apart(connection: duckdb.DuckDBPyConnection) -> None:
    for version in ("v1", "v2"):
        read(connection, NOW, 0.1, version=version)
    points = History(connection, live=True).readings("m", NIGHT, "24h", NOW, NOW - HOUR, points=1)
    assert [point.version for point in points] == ["v1", "v2"]


def test_thinned_evidence_keeps_its_peaks(connection: duckdb.DuckDBPyConnection) -> None:
    for minute in range(300):
        connection.execute(
            "INSERT INTO evidence (model, rule, version, calibrator, slice, bucket, samples, ratio) "
            "VALUES ('m', 'drift', 'v1', '', $slice, $at, 1, $ratio)",
            {"slice": NIGHT.text, "at": naive(NOW - timedelta(minutes=minute)), "ratio": 7.0 if minute == 123 else 0.5},
        )
    points = History(connection, live=True).evidence("m", NIGHT, NOW - 5 * HOUR, NOW, points=10)
    assert len(points) <= 10
    assert max(point.ratio for point in points) == 7.0
    assert sum(point.samples for point in points) == 300


def test_events_tell_the_slices_own_alerts_and_the_calibrators_of_scopes_that_hold_it(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    day = timedelta(days=1)
    for at, state, slice_ in (
        (NOW - day, "firing", NIGHT),
        (NOW - HOUR, "pending", NIGHT),
        (NOW - HOUR, "firing", Slice()),
    ):
        connection.execute(
            "INSERT INTO alert_events BY NAME SELECT $at AS changed_at, 'm' AS model, 'v1' AS version, 'drift' AS rule, "
            "$slice AS slice, 'page' AS severity, $state AS state, 'why' AS reason, $onset AS onset",
            {"at": naive(at), "slice": slice_.text, "state": state, "onset": naive(at - 2 * day)},
        )
    for scope, cause in (("all", "promoted"), ("camera=c4", "promoted"), (NIGHT.text, "rolled back")):
        connection.execute(
            "INSERT INTO serving (model, scope, calibrator, since, cause) VALUES ('m', $scope, '', $at, $cause)",
            {"scope": scope, "at": naive(NOW), "cause": cause},
        )
    history = History(connection, live=True)
    raw = "scores as the model gives them"
    assert history.events("m", NIGHT, NOW - 7 * day, NOW) == (
        Event(NOW - 3 * day, EventKind.ONSET, "drift", NIGHT.text),
        Event(NOW - day, EventKind.FIRED, "drift (page)", NIGHT.text),
        Event(NOW, EventKind.PROMOTED, raw, "all"),
        Event(NOW, EventKind.ROLLED_BACK, raw, NIGHT.text),
    )
    short = history.events("m", NIGHT, NOW - 2 * day, NOW)
    assert EventKind.ONSET not in {event.kind for event in short}, "an onset before the span is not drawn"
    assert len(history.events("m", None, NOW - 7 * day, NOW)) == 7


def test_jobs_come_in_pages_with_their_total(connection: duckdb.DuckDBPyConnection) -> None:
    for number in range(5):
        connection.execute(
            "INSERT INTO jobs (id, model, kind, trigger, scope, requested_at, state, reasons, details, attempts) "
            "VALUES ($id, 'm', 'recalibrate', 'manual', 'all', $at, 'queued', ['r'], '{\"a\": 1}', 0)",
            {"id": f"j{number}", "at": naive(NOW + number * HOUR)},
        )
    history = History(connection, live=True)
    page = history.jobs("m", limit=2, skip=2)
    assert ([job.id for job in page.jobs], page.total) == (["j2", "j1"], 5)
    assert page.jobs[0].requested_at == NOW + 2 * HOUR
    assert page.jobs[0].details == {"a": 1}
    assert history.jobs("m", id="j4").jobs[0].id == "j4"
    assert history.jobs("m", state="failed").total == 0


def test_the_newest_word_of_a_source_counts_even_when_it_is_that_all_is_well(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    for at, problem in ((NOW - HOUR, "gone"), (NOW, None)):
        connection.execute(
            "INSERT INTO pulls VALUES ('m', 's', $at, 1, 10, 10, 0, 0, 0, 2, $problem, 0, 0, 0, NULL)",
            {"at": naive(at), "problem": problem},
        )
    (source,) = History(connection, live=True).sources(NOW - 7 * HOUR)
    assert (source.problem, source.rows, source.quarantined, source.pulled_at) == (None, 20, 4, NOW)


def test_the_snapshot_answers_as_the_live_database_does(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    read(connection, NOW - HOUR, 0.1)
    read(connection, NOW, 0.2, table="newest_readings")
    connection.execute("INSERT INTO quarantine VALUES ('m', 's', 'f', 1, 'bad', '{}', $at)", {"at": naive(NOW)})
    path = Publisher(tmp_path).publish(connection, NOW)
    copied = path.rename(tmp_path / "copied.duckdb")  # one process must not open the daemon's own file twice
    with duckdb.connect(str(copied), read_only=True) as opened:
        snapshot, live = History(opened, live=False), History(connection, live=True)
        questions: tuple[Callable[[History], object], ...] = (
            lambda past: past.extent("m", NIGHT, "24h"),
            lambda past: past.readings("m", NIGHT, "24h", NOW),
            lambda past: past.evidence("m", NIGHT, NOW - HOUR, NOW),
            lambda past: past.events("m", None, NOW - HOUR, NOW),
            lambda past: past.jobs(),
            lambda past: past.attempts("j"),
            lambda past: past.threshold_curve("m", Slice(), "f1", "c"),
            lambda past: past.quarantine_counts(),
            lambda past: past.quarantined_rows("m", reason="bad"),
            lambda past: past.sources(NOW - HOUR),
            lambda past: past.pulls(NOW - HOUR),
            lambda past: past.disparities("m"),
            lambda past: past.guards("m"),
        )
        for question in questions:
            assert question(snapshot) == question(live)
        assert len(snapshot.readings("m", NIGHT, "24h", NOW)) == 2
        assert snapshot.scored_by("m", "v1", NIGHT, NOW - HOUR, NOW) is None


def test_a_closed_archive_says_so_in_a_sentence(connection: duckdb.DuckDBPyConnection) -> None:
    archive = Archive(connection)
    with archive.history() as past:
        assert past.jobs().total == 0
    assert archive.close()
    with pytest.raises(StoreError, match="cannot be asked now"), archive.history():
        pass


def test_a_question_the_database_cannot_answer_is_told_as_a_store_error(connection: duckdb.DuckDBPyConnection) -> None:
    archive = Archive(connection)
    connection.execute("DROP TABLE quarantine")
    with pytest.raises(StoreError, match="the database cannot be read"), archive.history() as past:
        past.quarantine_counts()
    assert archive.close()


def test_closing_interrupts_what_runs_and_leaves_no_cursor(connection: duckdb.DuckDBPyConnection) -> None:
    archive = Archive(connection)
    began, told = threading.Event(), []

    def ask() -> None:
        try:
            with archive.history() as past:
                began.set()
                past._connection.execute(
                    "SELECT sum(a.i * b.i) FROM range(100000) AS a(i), range(100000) AS b(i)"
                ).fetchall()
        except StoreError as error:
            told.append(error.message)

    asking = threading.Thread(target=ask)
    asking.start()
    assert began.wait(10)
    assert archive.close(patience=10)
    asking.join(10)
    assert not asking.is_alive()
    assert told == ["the database cannot be asked now: calwatch is stopping, or opens it anew"]
