"""The kills themselves: calwatch is started, everything goes on, calwatch is killed; in the end every account is settled."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from time import monotonic, sleep

import duckdb
import numpy as np
from prometheus_client import CollectorRegistry

from monitor.config.settings import load_config
from monitor.engine.cycle import Cycle, build_watched
from monitor.publish.metrics.instruments import Instruments
from monitor.store.connection import open_live
from tests.jobs.actions.receiver import Receiver
from tests.kills.ledger import Ledger, configure
from tests.mutants.checks import broken_cells, broken_samples
from tests.worlds.daemon import gone, told
from tests.worlds.process import free_port, wait_for

_PULLS_KEPT = 10_000  # in the snapshot
_SPAN = 2.5  # kills come within so many times what a start and its first cycle take: some before it, most after
_FORKS = multiprocessing.get_context("forkserver")  # has everything imported: a start is as quick as its own work
_OPEN = "SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')"


@dataclass(slots=True)
class Settled:
    """What came of it: each list is empty where all is well."""

    kills: int = 0
    cycled: int = 0  # of them, after at least one cycle
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)  # cells, labels, ranges
    looks: int = 0
    unread: list[str] = field(default_factory=list)  # looks at the snapshot that did not go well
    jobs_lost: list[str] = field(default_factory=list)
    deliveries: int = 0
    deliveries_lost: list[str] = field(default_factory=list)
    repeated: int = 0  # deliveries that came more than once, under the same key
    outlived: float = 0.0  # seconds that a process of a job went on after its calwatch was killed, at most
    rows: int = 0
    pushes: int = 0
    refits: int = 0


def run_daemon(config: str) -> None:
    """What ``calwatch run`` does, in a process that was forked with everything imported."""
    with (Path(config).parent / "log.txt").open("ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    from monitor.engine.daemon import Daemon

    Daemon(Path(config)).run()


def look_again_and_again(path: str, sink: str) -> None:
    """Another process that reads the snapshot all the time; a line for each look that fails, and the number of looks."""
    looks, seen = 0, 0
    with Path(sink).open("w", buffering=1, encoding="utf-8") as out:
        while True:
            sleep(0.02)
            if not Path(path).exists():
                if seen:
                    out.write("gone: it was there before\n")
                continue
            try:
                with duckdb.connect(path, read_only=True) as reader:
                    rows = reader.execute("SELECT coalesce(sum(new), 0), count(*) FROM pulls").fetchone()
                    reader.execute("SELECT count(*) FROM slice_metrics").fetchone()
                    reader.execute("SELECT count(*) FROM jobs").fetchone()
            except duckdb.Error as error:
                out.write(f"unread: {error!r}\n"[:500])
                continue
            looks += 1
            assert rows is not None
            # once the snapshot has as many pulls as it keeps, the rows of the oldest drop out of the sum
            if rows[0] < seen and rows[1] < _PULLS_KEPT:
                out.write(f"went back: from {seen} rows to {rows[0]}\n")
            seen = max(seen, int(rows[0]))
            if looks % 20 == 0:
                out.write(f"looks {looks}\n")


def kill_over_and_over(base: Path, kills: int, seed: int = 11, *, forked: bool = True) -> Settled:
    """Start, send, kill, so many times; then one that is left to end its work. ``forked``: quick starts."""
    rng = np.random.default_rng([seed, kills])
    _FORKS.set_forkserver_preload(["monitor.engine.daemon", "tests.kills.run"])  # before its first process
    hook, settled = Receiver(), Settled(kills)
    port = free_port()
    config = configure(base, port, int(hook.server.server_address[1]))
    ledger = Ledger(base, port, _hour(datetime.now(UTC)) - timedelta(hours=1), rng)
    snapshot, seen = base / "state" / "metrics.duckdb", base / "looks.txt"
    reader = _FORKS.Process(target=look_again_and_again, args=(str(snapshot), str(seen)), daemon=True)
    reader.start()
    usual = 2.0  # seconds until a start's first cycle has ended, as it turns out
    try:
        for number in range(kills):
            ledger.write()
            began = monotonic()
            daemon = _start(config, forked=forked)
            deadline = began + float(rng.uniform(0.1, _SPAN)) * usual
            sender = threading.Thread(target=_send, args=(ledger, number, deadline))
            sender.start()
            first = _await_cycle(snapshot, began, deadline)
            if first is not None:
                usual = 0.8 * usual + 0.2 * first
            elif deadline - began > usual:  # a busy machine: later ones get more time
                usual *= 1.2
            settled.cycled += first is not None
            born = _offspring(daemon.pid)
            os.kill(daemon.pid, signal.SIGKILL)
            _wait(daemon)
            settled.outlived = max(settled.outlived, _outlive(born))
            sender.join()
        _finish(base, config, ledger, settled, forked=forked)
    finally:
        reader.kill()
        reader.join()
        hook.close()
    _account(base, ledger, settled, hook)
    for line in seen.read_text("utf-8").splitlines():
        if line.startswith("looks "):
            settled.looks = int(line.split()[1])
        else:
            settled.unread.append(line)
    return settled


def _await_cycle(snapshot: Path, began: float, deadline: float) -> float | None:
    """Wait until the deadline; the seconds in which a snapshot was published meanwhile, None when none was."""
    before, first = _stamp(snapshot), None
    while monotonic() < deadline:
        if first is None and _stamp(snapshot) != before:
            first = monotonic() - began
        sleep(0.01)
    if first is None and monotonic() - began > 60:
        raise AssertionError("no cycle ended in a minute")
    return first


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


@dataclass(frozen=True, slots=True)
class _Process:
    """A calwatch, forked or run from the command."""

    pid: int
    forked: BaseProcess | None = None
    command: "subprocess.Popen[bytes] | None" = None


def _start(config: Path, *, forked: bool) -> _Process:
    if forked:
        process = _FORKS.Process(target=run_daemon, args=(str(config),))
        process.start()
        assert process.pid is not None
        return _Process(process.pid, forked=process)
    with (config.parent / "log.txt").open("ab") as log:
        command = subprocess.Popen(
            [sys.executable, "-m", "monitor", "run", "--config", str(config)], stdout=log, stderr=log
        )
    return _Process(command.pid, command=command)


def _wait(daemon: _Process) -> None:
    if daemon.forked is not None:
        daemon.forked.join()
    if daemon.command is not None:
        daemon.command.wait()


def _send(ledger: Ledger, number: int, deadline: float) -> None:
    """A push, one more file, and now and then a job, while calwatch runs."""
    ledger.push()
    while monotonic() < deadline - 0.1 and ledger.waiting:
        sleep(0.1)
        ledger.push_waiting()
    if number % 3 == 0:
        ledger.write()
    if number % 4 == 0:
        ledger.ask()


def _offspring(pid: int) -> list[int]:
    """Processes below this one."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError, ValueError, IndexError):
                fields = (entry / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
                parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found, waiting = list[int](), [pid]
    while waiting:
        below = parents.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def _outlive(born: list[int]) -> float:
    """Seconds until all of these have ended; at most 30."""
    began = monotonic()
    while not all(gone(pid) for pid in born) and monotonic() - began < 30:
        sleep(0.02)
    return monotonic() - began if born else 0.0


def _finish(base: Path, config: Path, ledger: Ledger, settled: Settled, *, forked: bool) -> None:
    """A last calwatch takes what is left, and is stopped as one should be."""
    with open_live(base / "state", now=datetime.now(UTC)) as connection:
        connection.execute("UPDATE jobs SET next_attempt_at = NULL")  # jobs killed twice wait: not here
    daemon = _start(config, forked=forked)

    began, quiet = datetime.now(UTC).replace(tzinfo=None), 0

    def is_done() -> bool:
        nonlocal quiet
        assert not gone(daemon.pid), (base / "log.txt").read_text("utf-8", "replace")[-3000:]
        ledger.push_waiting()
        since = told(base / "state", f"SELECT epoch(max(published_at) - TIMESTAMP '{began}') FROM snapshot")
        quiet = quiet + 1 if not ledger.waiting and (since or 0) > 2 and told(base / "state", _OPEN) == 0 else 0
        return quiet > 40  # looks, over more than a cycle

    try:
        with suppress(AssertionError):  # what is missing is told by the account
            wait_for(is_done, "everything to be taken and every job to end", 180)
        os.kill(daemon.pid, signal.SIGTERM)
        _wait(daemon)
    finally:
        with suppress(ProcessLookupError):
            os.kill(daemon.pid, signal.SIGKILL)
        _wait(daemon)


def _account(base: Path, ledger: Ledger, settled: Settled, hook: Receiver) -> None:
    """Everything that was sent against everything that is there."""
    settled.pushes, settled.rows = ledger.acknowledged, len(ledger.outcomes)
    now = datetime.now(UTC)
    with open_live(base / "state", now=now) as connection:
        held = connection.execute(
            "SELECT sample_id, count(*), any_value(score), any_value(positives) FROM samples GROUP BY 1"
        ).fetchall()
        there = {sample_id: (count, score, positives) for sample_id, count, score, positives in held}
        settled.lost += [sample_id for sample_id in ledger.outcomes if sample_id not in there]
        settled.doubled += [sample_id for sample_id, (count, _, _) in there.items() if count > 1]
        for sample_id, (_, score, positives) in there.items():
            expected = ledger.scores.get(sample_id), ledger.outcomes.get(sample_id)
            if (score, positives) != expected:
                settled.wrong.append(f"{sample_id}: ({score}, {positives}) for {expected}")
        settled.wrong += broken_cells(connection)
        settled.wrong += broken_samples(connection, now, timedelta(days=90))
        jobs = connection.execute(
            "SELECT id, kind, state, trigger, finished_at, reasons, details::VARCHAR FROM jobs"
        ).fetchall()
        firing = connection.execute(
            "SELECT count(*) FROM (SELECT scope FROM serving WHERE until IS NULL GROUP BY ALL HAVING count(*) > 1)"
        ).fetchone()
    settled.wrong += [f"{firing[0]} scopes have two in charge"] if firing and firing[0] else []
    settled.refits = sum(kind == "recalibrate" for _, kind, *_ in jobs)
    for job, kind, state, trigger, _, reasons, _ in jobs:
        if state in ("queued", "running") or (state == "failed" and kind != "action"):
            settled.jobs_lost.append(f"{kind} {job} ({trigger}) is {state}: {reasons}")
    ended = [finished for _, kind, _, _, finished, *_ in jobs if kind == "recalibrate" and finished is not None]
    for job, at in ledger.asked.items():
        if not any(finished.replace(tzinfo=UTC) >= at for finished in ended):
            settled.jobs_lost.append(f"{job} was asked for at {at}, and no refit ended since")
    keys = Counter(headers["idempotency-key"] for headers, _ in hook.got)
    bodies: dict[str, set[bytes]] = {}
    for headers, body in hook.got:
        bodies.setdefault(headers["idempotency-key"], set()).add(body)
    actions = [(job, state, reasons, details) for job, kind, state, _, _, reasons, details in jobs if kind == "action"]
    settled.deliveries, settled.repeated = len(actions), sum(count > 1 for count in keys.values())
    settled.deliveries_lost += [f"{job} is {state}: {reasons}" for job, state, reasons, _ in actions if state != "done"]
    done = sum(state == "done" and '"hook"' in details for _, state, _, details in actions)
    settled.deliveries_lost += [f"{done} are done, {len(keys)} came"] if done != len(keys) else []
    settled.wrong += [f"{key}: two bodies under one key" for key, told_ in bodies.items() if len(told_) > 1]


def compare_from_scratch(base: Path, state: Path) -> list[str]:
    """The files of ``base`` once more, into a fresh state in one cycle: samples that differ. Pushes are not among them."""
    loaded = load_config(base / "calwatch.toml")
    fresh = loaded.model_copy(update={"monitor": loaded.monitor.model_copy(update={"state_dir": str(state)})})
    now = datetime.now(UTC)
    query = "SELECT sample_id, score, positives FROM samples WHERE sample_id LIKE 'f%' ORDER BY ALL"
    with open_live(state, now=now) as connection:
        tick = Cycle(fresh, build_watched(fresh), connection, Instruments(CollectorRegistry())).tick(now, publish=False)
        assert not tick.failed, tick.failed
        afresh = connection.execute(query).fetchall()
    with open_live(loaded.state_dir, now=now) as connection:
        held = connection.execute(query).fetchall()
    return [f"{len(set(held) ^ set(afresh))} samples differ from those of a run from scratch"] if held != afresh else []
