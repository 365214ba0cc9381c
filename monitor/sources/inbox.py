"""Pushed samples: a directory in which the HTTP server leaves bodies whole, and the source that takes them in order.

    state_dir/inbox/<model>/<source>/<order>-<id>-<digest>.<parquet|jsonl>    waiting, written once, durable
                                    /receipts/<id>.json                       what became of it; the newest 10,000
                                    /refused/…                                what could not be read at all; the newest 100

A file is deleted after its rows and its name (in the cursor) are committed. After a crash in between, the name in the
cursor says that it has been taken: nothing is lost and nothing counts twice.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Literal

import duckdb

from monitor.config import Source as SourceConfig
from monitor.errors import SourceError
from monitor.recalibration.artefacts import directory_name
from monitor.sources import formats
from monitor.sources.base import Batch, Outcome, Problem

KEPT_RECEIPTS = 10_000
KEPT_REFUSED = 100
MAX_ROWS = 1_000_000  # of one push: one transaction takes it
SUFFIXES = (".parquet", ".jsonl")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A push that has not been taken yet."""

    path: Path
    order: int  # microseconds since 1970 at which it came; later pushes have greater numbers
    id: str
    digest: str  # of the body as it was sent

    @property
    def received_at(self) -> datetime:
        return _EPOCH + timedelta(microseconds=self.order)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a push. Counts are None while it waits, and where a crash took them."""

    id: str
    digest: str
    state: Literal["waiting", "taken", "refused"]
    received_at: datetime
    settled_at: datetime | None = None
    rows: int | None = None
    new: int | None = None
    labelled: int | None = None
    duplicates: int | None = None
    corrected: int | None = None
    quarantined: Mapping[str, int] | None = None  # by reason
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Inbox:
    """The directory of one source. One process writes pushes to it, one (the same, or another) takes them."""

    directory: Path

    @classmethod
    def of(cls, state_dir: Path, model: str, source: str) -> "Inbox":
        return cls(state_dir / "inbox" / directory_name(model) / directory_name(source))

    def waiting(self) -> list[Waiting]:
        """What has not been taken yet, in order of arrival."""
        try:
            names = sorted(entry.name for entry in os.scandir(self.directory) if not entry.name.startswith("."))
        except FileNotFoundError:
            return []
        found = []
        for name in names:
            stem, suffix = os.path.splitext(name)  # noqa: PTH122  # a name, not a path
            parts = stem.split("-")
            if suffix in SUFFIXES and len(parts) == 3 and parts[0].isdecimal():
                found.append(Waiting(self.directory / name, int(parts[0]), parts[1], parts[2]))
        return found

    def load(self) -> tuple[int, int]:
        """(files, bytes) that wait."""
        sizes = []
        for each in self.waiting():
            with suppress(FileNotFoundError):  # taken meanwhile
                sizes.append(each.path.stat().st_size)
        return len(sizes), sum(sizes)

    def receipt(self, push_id: str) -> Receipt | None:
        """What is known of a push; None when it never came, or so long ago that its receipt is gone."""
        # first what waits: a push that is settled between the two looks has its receipt by then
        for each in self.waiting():
            if each.id == push_id:
                return Receipt(each.id, each.digest, "waiting", each.received_at)
        try:
            held = json.loads((self.directory / "receipts" / f"{push_id}.json").read_text("utf-8"))
        except FileNotFoundError:
            return None
        except ValueError:  # a power failure cut it short
            return None
        held["received_at"], held["settled_at"] = map(datetime.fromisoformat, (held["received_at"], held["settled_at"]))
        return Receipt(**held)

    def temporary(self, name: str) -> Path:
        """Where a body is written before it is put in place; the directory is made."""
        self.directory.mkdir(parents=True, exist_ok=True)
        return self.directory / f".{name}"

    def put(self, written: Path, push_id: str, digest: str, now: datetime) -> Waiting:
        """Make a file written by ``temporary`` durable and visible. Not to be called twice at once. Raises OSError."""
        newest = max((each.order for each in self.waiting()), default=0)
        order = max((now - _EPOCH) // timedelta(microseconds=1), newest + 1)
        target = self.directory / f"{order:018d}-{push_id}-{digest}{written.suffix}"
        with written.open("rb") as held:
            os.fsync(held.fileno())
        written.replace(target)
        listing = os.open(self.directory, os.O_RDONLY)
        try:
            os.fsync(listing)
        finally:
            os.close(listing)
        return Waiting(target, order, push_id, digest)

    def sweep(self) -> None:
        """Remove bodies that a crash left half written. Not to be called while something is written."""
        for left in self.directory.glob(".*.*"):
            left.unlink(missing_ok=True)

    def settle(self, file: Waiting, outcome: Outcome | None, now: datetime) -> None:
        """Leave the receipt, then remove the file, or keep it aside when it was refused. None: taken, counts unknown."""
        receipt = Receipt(file.id, file.digest, "taken", file.received_at, now)
        if outcome is not None and outcome.refused is not None:
            receipt = replace(receipt, state="refused", problem=outcome.refused)
        elif outcome is not None:
            receipt = replace(
                receipt, rows=outcome.rows, new=outcome.new, labelled=outcome.labelled, duplicates=outcome.duplicates,
                corrected=outcome.corrected, quarantined=dict(outcome.quarantined),
            )  # fmt: skip
        receipts = self.directory / "receipts"
        receipts.mkdir(parents=True, exist_ok=True)
        path = receipts / f"{file.id}.json"
        if outcome is not None or not path.exists():
            aside = path.with_suffix(".tmp")
            aside.write_text(json.dumps(asdict(receipt), default=datetime.isoformat), "utf-8")
            aside.replace(path)
        if receipt.state == "refused":
            refused = self.directory / "refused"
            refused.mkdir(exist_ok=True)
            file.path.replace(refused / file.path.name)
            _keep_newest(refused, KEPT_REFUSED)
        else:
            file.path.unlink(missing_ok=True)
        _keep_newest(receipts, KEPT_RECEIPTS)


def _keep_newest(directory: Path, kept: int) -> None:
    """Remove the oldest files once there are a tenth more than are kept."""
    paths = list(directory.iterdir())
    if len(paths) <= kept * 1.1:
        return
    for path in sorted(paths, key=lambda path: path.stat().st_mtime_ns)[:-kept]:
        path.unlink(missing_ok=True)


def look(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    config: SourceConfig,
    slices: tuple[str, ...],
    *,
    raw_scores: bool,
) -> "formats.Layout | str":
    """How to read a pushed file, or in a sentence why nothing of it can be taken."""
    try:
        layout = formats.layout_of(connection, str(path), config.model_copy(update={"format": "auto"}), slices)
    except (duckdb.Error, SourceError) as error:
        return f"cannot be read: {str(error).splitlines()[0].replace(str(path), 'the body')}"
    if layout.rows > MAX_ROWS:
        return f"has {layout.rows:,} rows, a push takes {MAX_ROWS:,}: send it in parts"
    if layout.format == "json":
        return layout
    lacking = formats.lacking(layout, config.holds, raw_scores=raw_scores)
    if lacking:
        return (
            f"has no column {lacking}; it has {', '.join(layout.found)}. Own names are mapped in [model.source] columns"
        )
    return formats.wrong_types(layout, config) or layout


@dataclass(frozen=True, slots=True)
class InboxSource:
    """Takes what was pushed, one transaction a push."""

    config: SourceConfig
    inbox: Inbox
    slices: tuple[str, ...]
    raw_scores: bool = False  # a raw_score column may stand in for score

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def holds(self) -> Literal["samples", "labels"]:
        return self.config.holds

    def read(
        self, connection: duckdb.DuckDBPyConnection, cursor: Mapping[str, str], now: datetime
    ) -> Iterator[Batch | Problem]:
        """What waits, in order. Names in the cursor were committed before a crash: those files are only removed."""
        files = self.inbox.waiting()
        names = {file.path.name for file in files}
        read: dict[str, Any] = {name: None for name in cursor if name not in names}
        for file in files:
            if file.path.name in cursor:
                self.inbox.settle(file, None, now)
                continue
            layout = look(connection, file.path, self.config, self.slices, raw_scores=self.raw_scores)
            if isinstance(layout, str):
                self.inbox.settle(file, Outcome(refused=layout), now)
                yield Problem(file.path.name, "unreadable_file", f"push {file.id}: {layout}; it is kept in refused/")
                continue
            relation, rejects = formats.relation_of([str(file.path)], layout)
            yield Batch(
                relation=relation, types=layout.types, cursor={**read, file.path.name: file.digest},
                unreadable=layout.format == "json", rejects=rejects, time_zone=self.config.time_zone,
                time_unit=self.config.time_unit, settled=partial(self.inbox.settle, file, now=now),
            )  # fmt: skip
            read = {}
