"""Pushed samples: a directory in which the HTTP server leaves bodies whole, and the source that takes them in order.

    state_dir/inbox/<model>/<source>/<order>-<id>-<digest>.<parquet|jsonl>    waiting, written once, durable
                                    /receipts/<id>.json                       what became of it; the newest 50,000
                                    /refused/…                                what could not be read at all; the newest 100

A file is deleted after its rows and its name (in the cursor) are committed. After a crash in between, the name in the
cursor says that it has been taken: nothing is lost and nothing counts twice.
"""

import json
import os
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Literal

import duckdb

from monitor.config.sources import SourceSettings
from monitor.model.errors import StoreError
from monitor.model.files import directory_name, flush_directory
from monitor.model.problems import Outcome, Problem, ProblemReason
from monitor.sources.batch import KEPT_REFUSED, UNGUARDED, Batch, ConfiguredSource, Guard, tell_where_kept
from monitor.sources.formats import relations as formats
from monitor.sources.formats.layout import Needs
from monitor.sources.formats.mixed import relations_of
from monitor.sources.inspect import (
    SMALL,
    UnusableFile,
    estimated_rows,
    give_batches,
    hide_path,
    inspect_file,
    is_small,
    tell_missing,
)

# several times what may wait ([server] max_inbox_files): whoever asks a few minutes later, or sends again, is answered
KEPT_RECEIPTS = 50_000
MAX_ROWS = 1_000_000  # of one push: one transaction takes it
_SPOILT = ".spoilt"
SUFFIXES = (".parquet", ".jsonl")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class WaitingPush:
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

    def list_waiting(self) -> list[WaitingPush]:
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
                found.append(WaitingPush(self.directory / name, int(parts[0]), parts[1], parts[2]))
        return found

    def load_receipt(self, push_id: str) -> Receipt | None:
        """What became of a push that has been taken or refused; None when it was not, or so long ago that its receipt is
        gone. Raises StoreError when its receipt is damaged."""
        path = self.directory / "receipts" / f"{push_id}.json"
        try:
            held = json.loads(path.read_text("utf-8"))
            held["received_at"], held["settled_at"] = map(
                datetime.fromisoformat, (held["received_at"], held["settled_at"])
            )
            return Receipt(**held)
        except FileNotFoundError:
            return None
        # such as one that lost power cut short
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise StoreError(
                f"receipt {push_id}: is damaged, what became of the push is not known ({type(error).__name__})",
                "send it again under another Idempotency-Key: rows that are in count once",
            ) from error

    def temporary_path(self, name: str) -> Path:
        """Where a body is written before it is put in place; the directory is made, and made durable. Raises OSError."""
        if not self.directory.exists():
            self.directory.mkdir(parents=True, exist_ok=True)
            for parent in list(self.directory.parents)[:3]:  # up to the state directory
                flush_directory(parent)
        return self.directory / f".{name}"

    def add_push(
        self, written: Path, push_id: str, digest: str, now: datetime, *, newest: int | None = None
    ) -> WaitingPush:
        """Make a file written by ``temporary_path`` durable and visible. Not to be called twice at once. Raises OSError.

        ``newest``: the order of the last one that waits, for who knows it; None: the directory is listed.
        """
        if newest is None:
            newest = max((each.order for each in self.list_waiting()), default=0)
        order = max((now - _EPOCH) // timedelta(microseconds=1), newest + 1)
        target = self.directory / f"{order:018d}-{push_id}-{digest}{written.suffix}"
        with written.open("rb") as held:
            os.fsync(held.fileno())
        written.replace(target)
        flush_directory(self.directory)
        return WaitingPush(target, order, push_id, digest)

    def sweep_leftovers(self) -> None:
        """Remove bodies that a crash left half written, and marks of looks it ended. Not to be called while something is
        written."""
        for left in self.directory.glob(".*"):
            if left.is_symlink() or not left.is_dir():
                left.unlink(missing_ok=True)

    def complete_push(self, file: WaitingPush, outcome: Outcome | None, now: datetime) -> None:
        """Leave the receipt, then remove the file, or keep it aside when it was refused. None: taken, counts unknown."""
        receipt = Receipt(file.id, file.digest, "taken", file.received_at, now)
        if outcome is not None and outcome.refused is not None:
            kept = tell_where_kept(self.relative_path, file.path.name)
            receipt = replace(receipt, state="refused", problem=f"{outcome.refused.rstrip('.')}. {kept}")
        elif outcome is not None:
            counts = asdict(outcome)
            del counts["refused"]
            receipt = replace(receipt, **counts)
        receipts = self.directory / "receipts"
        _make_directory(receipts)
        path = receipts / f"{file.id}.json"
        if path.is_dir():
            path.rename(path.with_name(f"{path.name}{_SPOILT}"))
        if outcome is not None or not path.exists():
            aside = path.with_suffix(".tmp")
            aside.write_text(json.dumps(asdict(receipt), default=datetime.isoformat), "utf-8")
            aside.replace(path)
        if receipt.state == "refused":
            refused = self.directory / "refused"
            _make_directory(refused)
            file.path.replace(refused / file.path.name)
        else:
            file.path.unlink(missing_ok=True)

    @property
    def relative_path(self) -> str:
        """The directory, from the state directory."""
        return "/".join(self.directory.parts[-3:])

    def complete_pushes(
        self, files: Sequence[WaitingPush], outcomes: Mapping[str, Outcome] | None, now: datetime
    ) -> None:
        """``complete_push`` each, by its name; a file that nothing is said of had no rows. None: taken, counts unknown."""
        for file in files:
            self.complete_push(file, outcomes.get(file.path.name, Outcome()) if outcomes is not None else None, now)

    def forget_oldest(self) -> None:
        """Drop receipts and refused files beyond those that are kept. Lists both directories: once a cycle is enough."""
        _keep_newest(self.directory / "receipts", KEPT_RECEIPTS)
        _keep_newest(self.directory / "refused", KEPT_REFUSED)


def receipt_of(push: WaitingPush) -> Receipt:
    """The receipt of a push that waits."""
    return Receipt(push.id, push.digest, "waiting", push.received_at)


def _make_directory(directory: Path) -> None:
    """Make it unless it is there; something else in its place is kept beside it."""
    if os.path.lexists(directory) and not directory.is_dir():
        directory.rename(directory.with_name(f"{directory.name}{_SPOILT}"))
    directory.mkdir(parents=True, exist_ok=True)


def _keep_newest(directory: Path, kept: int) -> None:
    """Remove the oldest files once there are a tenth more than are kept."""
    if not directory.is_dir():
        return
    paths = list(directory.iterdir())
    if len(paths) <= kept * 1.1:
        return
    for path in sorted(paths, key=lambda path: path.stat().st_mtime_ns)[:-kept]:
        path.unlink(missing_ok=True)


def inspect_push(
    connection: duckdb.DuckDBPyConnection, path: Path, config: SourceSettings, needs: Needs
) -> "formats.Layout | str":
    """How to read a pushed file, or in a sentence why nothing of it can be taken."""
    auto = config.model_copy(update={"format": "auto"})
    found = inspect_file(connection, str(path), auto, needs, pushed=True)
    if isinstance(found, UnusableFile):
        return hide_path(found.why, path)
    if found.rows > MAX_ROWS:
        return f"has {found.rows:,} rows, a push takes {MAX_ROWS:,}: send it in parts"
    return found


@dataclass(frozen=True, slots=True)
class InboxSource(ConfiguredSource):
    """Takes what was pushed, in order: small pushes together in one transaction, each with a receipt of its own."""

    config: SourceSettings
    inbox: Inbox
    needs: Needs = field(default_factory=Needs)

    def read_batches(
        self, connection: duckdb.DuckDBPyConnection, cursor: Mapping[str, str], now: datetime, guard: Guard = UNGUARDED
    ) -> Iterator[Batch | Problem]:
        """What waits, in order. Names in the cursor were committed before a crash: those files are only removed."""
        files = self.inbox.list_waiting()
        gone: dict[str, str | None] = dict.fromkeys(cursor.keys() - {file.path.name for file in files})
        fresh = [file for file in files if file.path.name not in cursor]
        taken = [file for file in files if file.path.name in cursor]
        if taken:
            self.inbox.complete_pushes(taken, None, now)
        guard.note_files({file.path.name: file.digest for file in fresh})
        missing: list[Mapping[ProblemReason, str]] = []

        def batch_of(members: Sequence[tuple[WaitingPush, "formats.Layout"]]) -> Batch:
            forgotten = dict(gone)
            gone.clear()  # the first batch forgets them all
            return self._batch(members, forgotten, now)

        yield from give_batches(self._inspected(connection, fresh, now, missing, guard), batch_of)
        more = f" and {len(fresh) - 1:,} more" if len(fresh) > 1 else ""
        for reason, told in missing[0].items() if missing else ():
            if all(reason in each for each in missing):  # a row may well lack a key, all of them hardly
                yield Problem(fresh[0].path.name, reason, f"push {fresh[0].id}{more}: {told}")
        if files:  # all that could be settled is by now
            self.inbox.forget_oldest()

    def read_single(self, connection: duckdb.DuckDBPyConnection, item: str, now: datetime) -> Batch | Problem:
        """One push that waits, alone, as ``read_batches`` would give it."""
        for file in self.inbox.list_waiting():
            if file.path.name == item:
                layout = inspect_push(connection, file.path, self.config, self.needs)
                if not isinstance(layout, str):
                    return self._batch([(file, layout)], {}, now)
        return Problem(item, "unreadable_file", f"push {item}: is gone, or nothing of it can be taken")

    def path_of(self, item: str) -> str:
        """See ``monitor.sources.batch.GuardedSource``."""
        return str(self.inbox.directory / item)

    def _inspected(
        self, connection: duckdb.DuckDBPyConnection, files: Sequence[WaitingPush], now: datetime,
        missing: list[Mapping[ProblemReason, str]], guard: Guard,
    ) -> Iterator[Problem | tuple[tuple[WaitingPush, "formats.Layout"], Hashable, int]]:  # fmt: skip
        """The files that rows can be taken from, each with its kind and rows; the others are refused and told. ``missing``
        grows by what each of those lacks, slices and mapped columns."""
        for file in files:
            layout = guard.inspect_item(
                file.path.name, partial(inspect_push, connection, file.path, self.config, self.needs)
            )
            if layout is None or isinstance(layout, str):
                # without a layout it waits for its second try, or has had it
                if why := layout or guard.why_set_aside(file.path.name):
                    self.inbox.complete_pushes([file], {file.path.name: Outcome(refused=why)}, now)
                    reason: ProblemReason = "unreadable_file" if layout else "push_set_aside"
                    kept = tell_where_kept(self.inbox.relative_path, file.path.name)
                    yield Problem(file.path.name, reason, f"push {file.id}: {why}. {kept}")
                continue
            missing.append(tell_missing(layout, self.config, self.needs.slices))
            size = file.path.stat().st_size
            kind = SMALL if is_small(layout, file.path.name, size) else layout.signature
            kind = object() if guard.wants_alone(file.path.name) else kind
            yield (file, layout), kind, estimated_rows(layout, file.path.name, size)

    def _batch(
        self,
        members: Sequence[tuple[WaitingPush, "formats.Layout"]],
        gone: Mapping[str, str | None],
        now: datetime,
    ) -> Batch:
        """The files as one batch. Its rows name a file without the directory, which is nobody's business."""

        def part(chosen: Sequence[int]) -> Batch:
            return self._batch([members[index] for index in chosen], gone if 0 in chosen else {}, now)

        files = [file for file, _ in members]
        found, rejects = relations_of([(str(file.path), layout) for file, layout in members])
        first, *others = (replace(rows, relation=_named(rows.relation)) for rows in found)
        return Batch(
            relation=first.relation, types=first.types, files=len(files), others=tuple(others),
            cursor={**gone, **{file.path.name: file.digest for file in files}}, unreadable=first.unreadable,
            rejects=rejects and _named(rejects), meaning=self.config, part=part if len(files) > 1 else None,
            on_completed=lambda outcomes: self.inbox.complete_pushes(files, outcomes, now), inbox=self.inbox.relative_path,
            unused=first.unused,
        )  # fmt: skip


def _named(relation: str) -> str:
    return f"SELECT * REPLACE (parse_filename(_file) AS _file) FROM ({relation})"
