"""Requests from the command line to the daemon: small files in the state directory, taken up at the next cycle.

A file because it works with and without a running daemon, needs no port, and whoever may write the state directory may
ask. It is removed only after the job it asks for is in the database.
"""

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import structlog

from monitor.model import Job, Slice
from monitor.model.errors import StoreError
from monitor.model.reasons import BY_HAND
from monitor.model.refits import RollbackOrder, job_of
from monitor.sources.isolation.set_aside import release_files
from monitor.store.blame import is_disk_full
from monitor.store.connection import make_state_dir

log = structlog.get_logger("calwatch")
REQUESTS = "requests"
KINDS = ("recalibrate", "tune", "rollback")
CANCEL = "cancel"
RETRY = "retry"

Request = TypeVar("Request")


@dataclass(frozen=True, slots=True)
class Retry:
    """Files that were set aside are to be tried again: of a source, or one alone; None: of all, and all of them."""

    source: str | None
    item: str | None


def leave_request(
    state_dir: Path, model: str, kind: str, scope: Slice, now: datetime, *, to: str | None = None
) -> Path:
    """Write one request for a job. Raises StoreError when the state directory cannot be written."""
    return _leave(
        state_dir, {"model": model, "kind": kind, "scope": scope.text, "requested_at": now.isoformat(), "to": to}
    )


def leave_cancellation(state_dir: Path, model: str, job_id: str) -> Path:
    """Ask for a job to be cancelled. Raises StoreError when the state directory cannot be written."""
    return _leave(state_dir, {"model": model, "kind": CANCEL, "job": job_id})


def leave_retry(state_dir: Path, model: str, source: str | None, item: str | None) -> Path:
    """Ask for files that were set aside to be tried again. Raises StoreError when the state directory cannot be written."""
    return _leave(state_dir, {"model": model, "kind": RETRY, "source": source, "item": item})


def _leave(state_dir: Path, text: Mapping[str, str | None]) -> Path:
    path = state_dir / REQUESTS / f"{secrets.token_hex(8)}.json"
    write_request(path, text)
    return path


def write_request(path: Path, held: Mapping[str, Any], *, mode: int = 0o777) -> None:
    """Put a JSON object in place whole, in a directory of the state directory, which is made with ``mode`` less the umask.

    Raises StoreError when it cannot be written.
    """
    aside = path.with_suffix(".tmp")
    try:
        make_state_dir(path.parent.parent)
        path.parent.mkdir(mode=mode, exist_ok=True)
        aside.write_text(json.dumps(held), "utf-8")
        aside.replace(path)
    except OSError as error:
        hint = "make room on its disk" if is_disk_full(error) else "run it as the daemon's user"
        raise StoreError(f"{path}: cannot be written: {error.strerror}", hint) from error


def take_retries(connection: duckdb.DuckDBPyConnection, state_dir: Path, model: str) -> None:
    """Release the files of a model that are asked to be tried again."""
    for path, asked in list(read_requests(state_dir, model, Retry)):
        release_files(connection, model, asked.source, asked.item)
        path.unlink(missing_ok=True)


def read_requests(state_dir: Path, model: str, kind: type[Request]) -> Iterator[tuple[Path, Request]]:
    """Yield the requests of a model that are of one kind: a Job that is asked for, a str with the id of one to be cancelled, a
    Retry.

    A file that cannot be read or is no request is renamed to ``.bad``, so that it is in nobody's way.
    """
    for path in sorted((state_dir / REQUESTS).glob("*.json")):
        try:
            held = json.loads(path.read_text("utf-8"))
            if held["model"] != model:
                continue
            asked = _read(held)
        except FileNotFoundError:
            continue
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            aside = path.with_suffix(".bad")
            log.error("no request, set aside", file=str(path), problem=repr(error)[:200], kept=aside.name)
            with suppress(OSError):  # one of that name is there already: this one stays and is told again
                path.rename(aside)
            continue
        if isinstance(asked, kind):
            yield path, asked


def _read(held: Mapping[str, Any]) -> Job | str | Retry:
    """The job asked for, the id of the one to cancel, or what is to be tried again. Raises ValueError, KeyError or TypeError
    when it is none of these."""
    if held["kind"] == RETRY:
        source, item = held["source"], held["item"]
        if not all(isinstance(each, str | None) for each in (source, item)):
            raise ValueError(f"not a request: {held}")
        return Retry(source, item)
    if held["kind"] == CANCEL:
        if not isinstance(held["job"], str):
            raise ValueError(f"not a request: {held}")
        return held["job"]
    requested_at = datetime.fromisoformat(held["requested_at"])
    if held["kind"] not in KINDS or requested_at.tzinfo is None:
        raise ValueError(f"not a request: {held}")
    return job_of(
        held["model"], held["kind"], BY_HAND, Slice.parse(held["scope"]), requested_at,
        details=RollbackOrder(target=held.get("to") or "").as_details,
    )  # fmt: skip
