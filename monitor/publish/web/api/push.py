"""Pushed bodies: read within a limit, looked at cheaply, written so that no crash loses them."""

import asyncio
import hashlib
import re
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Lock

import duckdb
import structlog
from fastapi import HTTPException, Request

from monitor.config.settings import Config, Model
from monitor.config.sources import SourceSettings
from monitor.model.errors import StoreError
from monitor.publish.web.middleware import read_body
from monitor.sources.formats.layout import Needs
from monitor.sources.inbox import Inbox, Receipt, inspect_push, receipt_of
from monitor.sources.push_body import JSON, LINES, MEDIA, MEGABYTE, demand_modest, write_rows
from monitor.sources.waitlist import Waitlist
from monitor.store.blame import first_line

log = structlog.get_logger("calwatch")
PATIENCE = 60.0  # seconds in which a body must have come
TURNS = 4  # pushes worked on at once; the other threads are for whoever looks
BODIES = 4  # of the largest size, that may be held in memory at once; beyond them: 429
_KEY = re.compile(r"[\x21-\x7e]{1,200}")


@dataclass(frozen=True, slots=True)
class Push:
    """One body, and where it goes."""

    model: Model
    source: SourceSettings
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
    _unpacking: Lock = field(default_factory=Lock)
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(TURNS))
    _held: int = 0  # bytes of bodies in memory; touched by the server's one loop only
    _waitlists: dict[Path, Waitlist] = field(default_factory=dict)

    @asynccontextmanager
    async def receive_body(self, request: Request, limit: int) -> AsyncIterator[bytes]:
        """The body, at most ``limit`` bytes, counted while the block runs. HTTPException 413 beyond it, 408 when it comes too
        slowly, 422 when empty, 429 when those of others take all the room."""
        held = 0

        def take(size: int) -> None:
            nonlocal held
            if self._held + size > BODIES * limit:
                raise HTTPException(429, "too many pushes at once: send it again in a moment", {"Retry-After": "1"})
            self._held += size
            held += size

        too_large = f"a push takes {limit // MEGABYTE} megabytes ([server] max_push_megabytes): send it in parts"
        try:
            body = await read_body(request, limit, too_large, PATIENCE, take)
            if not body:
                raise HTTPException(422, "the body is empty: send rows")
            async with self._turns:
                yield body
        finally:
            self._held -= held

    def accept_push(self, push: Push, config: Config) -> tuple[Receipt, bool]:
        """What is known of the push, and whether it is new. Raises HTTPException: 409, 413, 415, 422, 429, 507."""
        inbox = Inbox.of(config.state_dir, push.model.name, push.source.name)
        written: Path | None = None
        try:
            with self._lock:
                waits = self._waitlist(inbox)
                known = _known(waits, push)
                if known is not None:
                    return known, False
                _demand_room(waits, len(push.body), config)
                suffix = ".jsonl" if push.media in (JSON, LINES) else ".parquet"
                written = inbox.temporary_path(secrets.token_hex(8) + suffix)
            with self._unpacking:  # one at a time: each may take a few times its size
                write_rows(push.media, push.body, written)
                _look_once(inbox, push, written)
            with self._lock:  # the same push may have come twice at once
                known = _known(waits, push)
                if known is not None:
                    return known, False
                _demand_room(waits, written.stat().st_size, config)
                put = waits.add_push(written, push.id, push.digest, self.now())
        except OSError as error:
            log.error("push not written", model=push.model.name, problem=str(error))
            raise HTTPException(507, f"cannot be written: {error.strerror}; send it again later") from error
        finally:
            if written is not None:
                written.unlink(missing_ok=True)
        return receipt_of(put), True

    def find_receipt(self, inbox: Inbox, push_id: str) -> Receipt | None:
        """What is known of a push. Raises StoreError when its receipt is damaged."""
        with self._lock:
            return self._waitlist(inbox).find_receipt(push_id)

    def _waitlist(self, inbox: Inbox) -> Waitlist:
        """Made at the first look, when nothing is being written yet: what a crash left half written goes."""
        if inbox.directory not in self._waitlists:
            inbox.sweep_leftovers()
            self._waitlists[inbox.directory] = Waitlist(inbox)
        return self._waitlists[inbox.directory]


def _known(waits: Waitlist, push: Push) -> Receipt | None:
    """The receipt of the same push sent before; one that was refused may be tried again."""
    try:
        held = waits.find_receipt(push.id)
    except StoreError:  # its receipt is damaged: taken once more, its rows count once
        return None
    if held is None or held.state == "refused":
        return None
    if held.digest != push.digest:
        raise HTTPException(409, "this Idempotency-Key came with another body before: use a new one for new samples")
    return held


def _demand_room(waits: Waitlist, size: int, config: Config) -> None:
    server = config.server

    def full(files: int, held: int) -> bool:
        return files >= server.max_inbox_files or held + size > server.max_inbox_megabytes * MEGABYTE

    if full(*waits.count_waiting()) and full(*(found := waits.count_waiting_exactly())):
        files, held = found
        wait = max(1, int(config.monitor.cycle.total_seconds()))
        raise HTTPException(
            429, f"{files} pushes of {held} bytes wait for the next cycle: send it again later",
            {"Retry-After": str(wait)},
        )  # fmt: skip


def _look_once(inbox: Inbox, push: Push, path: Path) -> None:
    """``_demand_readable``, unless that ended the process when the same body came before: then the next cycle tries it alone.
    Not to be called twice at once. Raises HTTPException 422 and OSError."""
    mark = inbox.directory / f".looking-{push.digest}"
    if mark.exists():
        return
    mark.touch()
    try:
        _demand_readable(push, path)
    finally:
        mark.unlink(missing_ok=True)


def _demand_readable(push: Push, path: Path) -> None:
    """Raises HTTPException 422 saying what no row of it could be taken for."""
    if path.suffix == ".jsonl":
        return  # line by line; bad ones are set aside with their place
    with duckdb.connect(config={"memory_limit": "256MB", "threads": 1}) as connection:
        try:
            found = inspect_push(connection, path, push.source, Needs.of(push.model))
        except (
            duckdb.Error
        ) as error:  # out of memory, or a mistake in DuckDB: of this body alone, on a connection of its own
            raise HTTPException(
                422, f"cannot be read ({first_line(error)}): leave out what calwatch does not need, or send it in parts; "
                "nothing of the push was taken",
            ) from error  # fmt: skip
        if isinstance(found, str):
            raise HTTPException(422, f"{found}; nothing of the push was taken")
        demand_modest(connection, path, found)


def source_for(model: Model, name: str | None) -> SourceSettings:
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
    if set(request.headers.getlist("content-encoding")) - {"identity"}:
        raise HTTPException(
            415, "the body must come without Content-Encoding: send it as it is, or as Parquet, which is packed"
        )
    return sent


def idempotency_key(request: Request) -> str | None:
    """The header of that name. HTTPException 422 when it is no key."""
    sent = request.headers.getlist("idempotency-key")
    if sent and (len(sent) > 1 or not _KEY.fullmatch(sent[0])):
        raise HTTPException(422, "Idempotency-Key must be one of 1 to 200 printable characters without spaces")
    return sent[0] if sent else None
