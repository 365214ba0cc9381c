"""Pushed bodies: read within a limit, looked at cheaply, written so that no crash loses them."""

import asyncio
import hashlib
import json
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import Any

import duckdb
import structlog
from fastapi import HTTPException, Request

from monitor.config import Config, Model
from monitor.config import Source as SourceConfig
from monitor.sources.inbox import MAX_ROWS, Inbox, Receipt, look

log = structlog.get_logger("calwatch")
PARQUET, ARROW = "application/vnd.apache.parquet", "application/vnd.apache.arrow.stream"
JSON, LINES = "application/json", "application/x-ndjson"
MEDIA = (JSON, LINES, PARQUET, ARROW)
MEGABYTE = 1024 * 1024
PATIENCE = 60.0  # seconds in which a body must have come
EXPANSION = 20  # an Arrow body may hold this many times its size, uncompressed
_KEY = re.compile(r"[\x21-\x7e]{1,200}")


@dataclass(frozen=True, slots=True)
class Push:
    """One body, and where it goes."""

    model: Model
    source: SourceConfig
    media: str
    body: bytes
    key: str | None  # Idempotency-Key

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.media.encode() + b"\0" + self.body).hexdigest()[:32]

    @property
    def id(self) -> str:
        """Follows from the key where one is given, else from the body: sent again it is the same push."""
        return hashlib.sha256(f"key\0{self.key}".encode()).hexdigest()[:32] if self.key else self.digest


@dataclass(slots=True)
class Desk:
    """Takes pushes. One per process: it keeps two of the same from being written at once."""

    now: Callable[[], datetime]
    _lock: Lock = field(default_factory=Lock)
    _swept: set[Path] = field(default_factory=set)

    def take(self, push: Push, config: Config) -> tuple[Receipt, bool]:
        """What is known of the push, and whether it is new. Raises HTTPException: 409, 413, 415, 422, 429, 507."""
        inbox = Inbox.of(config.state_dir, push.model.name, push.source.name)
        written: Path | None = None
        try:
            with self._lock:
                if inbox.directory not in self._swept:
                    inbox.sweep()
                    self._swept.add(inbox.directory)
                known = _known(inbox, push)
                if known is not None:
                    return known, False
                _demand_room(inbox, len(push.body), config)
                written = inbox.temporary(secrets.token_hex(8) + _suffix(push.media))
            _write(push, written)
            _demand_readable(push, written)
            with self._lock:  # the same push may have come twice at once
                known = _known(inbox, push)
                if known is not None:
                    return known, False
                _demand_room(inbox, written.stat().st_size, config)
                put = inbox.put(written, push.id, push.digest, self.now())
        except OSError as error:
            log.error("push not written", model=push.model.name, problem=str(error))
            raise HTTPException(507, f"cannot be written: {error.strerror}; send it again later") from error
        finally:
            if written is not None:
                written.unlink(missing_ok=True)
        return Receipt(put.id, put.digest, "waiting", put.received_at), True


def _suffix(media: str) -> str:
    return ".jsonl" if media in (JSON, LINES) else ".parquet"


def _known(inbox: Inbox, push: Push) -> Receipt | None:
    """The receipt of the same push sent before; one that was refused may be tried again."""
    held = inbox.receipt(push.id)
    if held is None or held.state == "refused":
        return None
    if held.digest != push.digest:
        raise HTTPException(409, "this Idempotency-Key came with another body before: use a new one for new samples")
    return held


def _demand_room(inbox: Inbox, size: int, config: Config) -> None:
    files, held = inbox.load()
    server = config.server
    if files >= server.max_inbox_files or held + size > server.max_inbox_megabytes * MEGABYTE:
        wait = max(1, int(config.monitor.cycle.total_seconds()))
        raise HTTPException(
            429, f"{files} pushes of {held} bytes wait for the next cycle: send it again later",
            {"Retry-After": str(wait)},
        )  # fmt: skip


def _write(push: Push, path: Path) -> None:
    """The body as a file that a source reads: JSON Lines or Parquet. Raises HTTPException 413, 415 or 422."""
    if push.media == JSON:
        with path.open("w", encoding="ascii") as sink:
            for row in _rows(push.body):
                sink.write(json.dumps(row) + "\n")
    elif push.media == ARROW:
        _write_arrow(push.body, path)
    else:
        if push.media == LINES and push.body.count(b"\n") > MAX_ROWS:
            raise HTTPException(413, f"a push takes {MAX_ROWS:,} rows: send it in parts")
        path.write_bytes(push.body)


def _rows(body: bytes) -> list[dict[str, Any]]:
    try:
        rows = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise HTTPException(422, f"is not JSON: {error}") from None
    if not isinstance(rows, list) or not rows:
        raise HTTPException(422, 'must be a list of rows, such as [{"sample_id": "a1", "score": 0.8, …}]')
    for place, row in enumerate(rows):
        if not isinstance(row, dict):
            raise HTTPException(422, f"row {place} is no object; nothing of the push was taken")
    if len(rows) > MAX_ROWS:
        raise HTTPException(413, f"a push takes {MAX_ROWS:,} rows: send it in parts")
    return rows


def _write_arrow(body: bytes, path: Path) -> None:
    try:
        arrow: Any = import_module("pyarrow")
        ipc: Any = import_module("pyarrow.ipc")
        parquet: Any = import_module("pyarrow.parquet")
    except ImportError:
        raise HTTPException(
            415, f"{ARROW} needs pyarrow beside calwatch: pip install pyarrow; Parquet and JSON need nothing"
        ) from None
    size = 0
    try:
        stream = ipc.open_stream(arrow.BufferReader(body))
        with parquet.ParquetWriter(path, stream.schema) as writer:
            for batch in stream:
                batch.validate(full=True)  # offsets that point outside would be followed
                size += batch.nbytes
                if size > EXPANSION * max(len(body), MEGABYTE):
                    raise HTTPException(413, "is too large once unpacked: send it in parts")
                writer.write_batch(batch)
    except (arrow.ArrowException, ValueError, OSError, EOFError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk
        raise HTTPException(422, f"is no Arrow stream: {str(error).splitlines()[0][:300]}") from None


def _demand_readable(push: Push, path: Path) -> None:
    """Raises HTTPException 422 saying what no row of it could be taken for."""
    if path.suffix == ".jsonl":
        return  # line by line; bad ones are set aside with their place
    with duckdb.connect(config={"memory_limit": "256MB", "threads": 1}) as connection:
        raw = push.model.recalibration.apply == "monitor"
        found = look(connection, path, push.source, push.model.slices, raw_scores=raw)
    if isinstance(found, str):
        raise HTTPException(422, f"{found}; nothing of the push was taken")


def source_for(model: Model, name: str | None) -> SourceConfig:
    """The source of kind http that a push goes to. HTTPException 404 or 422 when there is none, or not one alone."""
    fitting = [source for source in model.source if source.kind == "http" and name in (None, source.name)]
    if not fitting:
        named = f' "{name}"' if name is not None else ""
        raise HTTPException(404, f'model "{model.name}" has no [[model.source]]{named} with kind = "http"')
    if len(fitting) > 1:
        names = ", ".join(source.name for source in fitting)
        raise HTTPException(422, f"say which source with ?source=…: {names}")
    return fitting[0]


def media_type(request: Request) -> str:
    """The body's type, one of those taken. HTTPException 415 for others."""
    sent = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if sent not in MEDIA:
        raise HTTPException(415, f"Content-Type must be one of {', '.join(MEDIA)} (got {sent!r})")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise HTTPException(415, "the body must come without Content-Encoding")
    return sent


def idempotency_key(request: Request) -> str | None:
    """The header of that name. HTTPException 422 when it is no key."""
    sent = request.headers.get("idempotency-key")
    if sent is not None and not _KEY.fullmatch(sent):
        raise HTTPException(422, "Idempotency-Key must be 1 to 200 printable characters without spaces")
    return sent


async def body_of(request: Request, limit: int) -> bytes:
    """The body, at most ``limit`` bytes. HTTPException 413 beyond it, 408 when it comes too slowly, 422 when empty."""
    announced = request.headers.get("content-length", "0")
    too_large = HTTPException(413, f"a push takes {limit // MEGABYTE} megabytes ([server] max_push_megabytes)")
    if announced.isdecimal() and int(announced) > limit:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(PATIENCE):
            async for part in request.stream():
                body += part
                if len(body) > limit:
                    raise too_large
    except TimeoutError:
        raise HTTPException(408, f"the body did not come within {PATIENCE:.0f} s") from None
    if not body:
        raise HTTPException(422, "the body is empty")
    return bytes(body)
