"""Requests from the command line to the daemon: small files in the state directory, taken up at the next cycle.

A file because it works with and without a running daemon, needs no port, and whoever may write the state directory may
ask. It is removed only after the job it asks for is in the database.
"""

import json
import secrets
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from monitor.errors import StoreError
from monitor.model import Job, Slice
from monitor.recalibration.jobs import job_of

REQUESTS = "requests"
KINDS = ("recalibrate", "rollback")


def leave(state_dir: Path, model: str, kind: str, scope: Slice, now: datetime, *, to: str | None = None) -> Path:
    """Write one request. Raises StoreError when the state directory cannot be written."""
    directory = state_dir / REQUESTS
    path = directory / f"{secrets.token_hex(8)}.json"
    aside = path.with_suffix(".tmp")
    text = {"model": model, "kind": kind, "scope": scope.text, "requested_at": now.isoformat(), "to": to}
    try:
        directory.mkdir(parents=True, exist_ok=True)
        aside.write_text(json.dumps(text), "utf-8")
        aside.replace(path)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror}", "run it as the daemon's user") from error
    return path


def waiting(state_dir: Path, model: str) -> Iterator[tuple[Path, Job]]:
    """The requests for a model, each with the job it asks for.

    A file that cannot be read or is no request is renamed to ``.bad``, so that it is in nobody's way.
    """
    for path in sorted((state_dir / REQUESTS).glob("*.json")):
        try:
            held = json.loads(path.read_text("utf-8"))
            if held["model"] != model:
                continue
            job = _job(held)
        except FileNotFoundError:
            continue
        except (OSError, ValueError, KeyError, TypeError):
            path.rename(path.with_suffix(".bad"))
            continue
        yield path, job


def _job(held: Mapping[str, Any]) -> Job:
    """Raises ValueError, KeyError or TypeError when it is no request."""
    requested_at = datetime.fromisoformat(held["requested_at"])
    if held["kind"] not in KINDS or requested_at.tzinfo is None:
        raise ValueError(f"not a request: {held}")
    return job_of(
        held["model"], held["kind"], "manual", Slice.parse(held["scope"]), requested_at,
        details={"to": held["to"]} if held.get("to") else {},
    )  # fmt: skip
