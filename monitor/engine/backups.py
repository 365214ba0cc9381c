"""Backups asked for while a daemon runs: requests as small files, taken up between two cycles by a thread of the daemon.

state_dir/backups/<id>.json    asked for: which file to write
                 /<id>.done    what became of it; the newest 100
                 /<name>.tar   those that the HTTP API asks for
"""

import json
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import structlog

from monitor.jobs.requests import write_request
from monitor.model.errors import CalwatchError, StoreError
from monitor.store.backup.create import BACKUPS, write_backup
from monitor.store.blame import first_line

log = structlog.get_logger("calwatch")
_KEPT = 100
_LOOK_EVERY = 1.0  # seconds
_PATIENCE = 2.0  # seconds for a copy that is interrupted


@dataclass(frozen=True, slots=True)
class BackupRequest:
    """A backup and what became of it. ``state``: waiting, done or failed."""

    id: str
    state: str
    file: str
    bytes: int | None = None
    problem: str | None = None
    hint: str = ""


def ask_backup(state_dir: Path, target: Path) -> str:
    """Leave a request for a backup; returns its id. Raises StoreError when it cannot be written."""
    token = secrets.token_hex(16)
    write_request(state_dir / BACKUPS / f"{token}.json", {"file": str(target)}, mode=0o700)
    return token


def load_backup(state_dir: Path, token: str) -> BackupRequest | None:
    """What is known of a backup; None when it was never asked for, or so long ago that this is gone."""
    directory = state_dir / BACKUPS
    for _ in range(2):  # between the two looks it may have ended
        asked = _read(directory / f"{token}.json")
        done = _read(directory / f"{token}.done")
        with suppress(KeyError, TypeError):
            if done is not None:
                return BackupRequest(**done)
            if asked is not None:
                return BackupRequest(token, "waiting", str(asked["file"]))
    return None


def withdraw_backup(state_dir: Path, token: str) -> None:
    """Take back a request that nobody has taken up."""
    (state_dir / BACKUPS / f"{token}.json").unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        held = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return held if isinstance(held, dict) else None


class BackupDesk:
    """Takes up what is asked for, one after the other, until ``stop``."""

    def __init__(
        self, state_dir: Path, connection: Callable[[], duckdb.DuckDBPyConnection],
        between_cycles: Callable[[], AbstractContextManager[object]], now: Callable[[], datetime],
    ) -> None:  # fmt: skip
        """``between_cycles`` holds off the next cycle; it raises StoreError while the daemon stops."""
        self._state_dir = state_dir
        self._connect = connection
        self._between = between_cycles
        self._now = now
        self._stop = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._finished: dict[str, BackupRequest] = {}  # written, or failed, and not told yet
        self._cursor: duckdb.DuckDBPyConnection | None = None
        self._thread = threading.Thread(target=self._run, name="backups", daemon=True)

    def start(self) -> None:
        """Begin to look for requests."""
        self._thread.start()

    def stop(self) -> None:
        """Take up no more, and cut off what runs."""
        self._stop.set()
        self.interrupt()

    def interrupt(self) -> None:
        """Cut off the copy that runs, if one does: the database is to be closed."""
        for _ in range(int(_PATIENCE / 0.1)):
            cursor = self._cursor
            if cursor is not None:
                with suppress(duckdb.Error):
                    cursor.interrupt()
            if self._idle.wait(0.1) or cursor is None:
                return

    def take_requests(self) -> None:
        """Do what is asked for by now."""
        for token, target in list(self._waiting()):
            if self._stop.is_set():
                return
            self._idle.clear()
            try:
                outcome = self._finished[token] = self._finished.get(token) or self._written(token, target)
            finally:
                self._idle.set()
            directory = self._state_dir / BACKUPS
            try:
                write_request(directory / f"{token}.done", asdict(outcome), mode=0o700)
                (directory / f"{token}.json").unlink(missing_ok=True)
                del self._finished[token]
                for old in sorted(directory.glob("*.done"), key=lambda path: path.stat().st_mtime_ns)[:-_KEPT]:
                    old.unlink(missing_ok=True)
            except (OSError, StoreError) as error:
                log.error("backup not told", directory=str(directory), problem=str(error))

    def _waiting(self) -> Iterator[tuple[str, Path]]:
        directory = self._state_dir / BACKUPS
        for path in sorted(directory.glob("*.json")):
            held = _read(path)
            if held is None or not isinstance(held.get("file"), str):
                log.error("no request for a backup, set aside", file=str(path))
                with suppress(OSError):
                    path.rename(path.with_suffix(".bad"))
                continue
            yield path.stem, Path(held["file"])

    def _written(self, token: str, target: Path) -> BackupRequest:
        try:
            self._cursor = self._connect().cursor()
            try:
                done = write_backup(
                    self._cursor, self._state_dir, target, self._now(), between_cycles=self._between()
                )  # fmt: skip
            finally:
                self._cursor.close()
                self._cursor = None
        except (CalwatchError, duckdb.Error, OSError, ValueError) as error:
            return _failed(token, target, error)
        except Exception as error:  # a mistake of ours: it must not keep the others waiting, nor whoever asked
            log.exception("backup failed by a mistake in calwatch, please report it", file=str(target))
            return _failed(token, target, error)
        log.info("backup written", file=str(target), bytes=done.bytes, files=done.files)
        return BackupRequest(token, "done", str(target), done.bytes)

    def _run(self) -> None:
        while not self._stop.wait(_LOOK_EVERY):
            try:
                self.take_requests()
            except Exception:  # a thread that ends would leave backups waiting without a word
                log.exception("backups failed")


def _failed(token: str, target: Path, error: Exception) -> BackupRequest:
    problem = first_line(error)
    if not isinstance(error, CalwatchError):
        problem = f"{target}: {type(error).__name__}: {problem}"
    hint = getattr(error, "hint", "") or "ask for it again"
    log.error("backup failed", file=str(target), problem=problem, hint=hint)
    return BackupRequest(token, "failed", str(target), problem=problem, hint=hint)
