"""Files: a glob of Parquet, CSV or JSON Lines, local or at any fsspec URL; only new and changed files are read."""

import glob
import os
import sys
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import duckdb

from monitor.config.sources import SourceSettings
from monitor.model.errors import SourceError
from monitor.model.problems import Problem
from monitor.model.wording import make_visible
from monitor.sources.batch import UNGUARDED, Batch, ConfiguredSource, Guard
from monitor.sources.formats import relations as formats
from monitor.sources.formats.boxes.categories import collect_categories
from monitor.sources.formats.layout import Needs
from monitor.sources.formats.mixed import relations_of
from monitor.sources.inspect import (
    SMALL,
    UnusableFile,
    estimated_rows,
    give_batches,
    inspect_file,
    is_small,
    tell_missing,
)

LONGEST_PATH = 1_200  # characters: quarantine and messages repeat it
_SHOWN = 300
_ENDINGS = (".parquet", ".csv", ".jsonl", ".ndjson", ".json", ".tsv", ".gz", ".zst")
_LINK, _DIRECTORY = "link", "directory"  # in place of fingerprints
_NOTHING_TO_READ = {
    _LINK: "is a link to something that is not there, nothing can be read",
    _DIRECTORY: "is a directory, not a file, and nothing below it is read; for its files let the source's path end with /*",
}


def unusable_name(path: str) -> str:
    """Why a file of this name cannot be taken, as a sentence that is safe to print; "" where it can."""
    shown = make_visible(path[:_SHOWN]) + ("…" if len(path) > _SHOWN else "")
    if len(path) > LONGEST_PATH:
        return f"{shown}: its path has {len(path):,} characters, at most {LONGEST_PATH:,} are read; move it"
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return f"{shown}: its name is not UTF-8 (shown as ?), so it cannot be opened; rename it"
    return ""


def _is_taken_for_a_file(pattern: str, path: str) -> bool:
    """Whether somebody may expect rows of a directory that a glob matches: not where the glob matches just anything, or goes
    on below it."""
    if "**" in pattern:
        return False
    last = os.path.basename(pattern)  # noqa: PTH119  # Path would normalise the glob's **
    return last.strip("*?") != "" or path.lower().endswith(_ENDINGS)


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    fingerprint: str  # size and time of change
    changed: float  # sorts files by arrival
    known: bool = False  # read before, and changed since

    @property
    def size(self) -> int:
        """In bytes; more than any where the place does not tell."""
        size = self.fingerprint.partition(":")[0]
        return int(size) if size.isdecimal() else sys.maxsize


@dataclass(frozen=True, slots=True)
class FileSource(ConfiguredSource):
    """One glob. Paths are relative to ``base``, the directory of the configuration file."""

    config: SourceSettings
    base: Path
    needs: Needs = field(default_factory=Needs)

    def read_batches(
        self, connection: duckdb.DuckDBPyConnection, cursor: Mapping[str, str], now: datetime, guard: Guard = UNGUARDED
    ) -> Iterator[Batch | Problem]:
        try:
            listed = self._remote(connection) if "://" in self.config.path else self._local()
        except FileNotFoundError as error:
            yield Problem(str(error), "directory_missing", f"{error}: no such directory")
            return
        guard.note_files({file.path: file.fingerprint for file in listed})
        fresh = sorted(
            (replace(file, known=file.path in cursor) for file in listed if cursor.get(file.path) != file.fingerprint),
            key=lambda file: (file.changed, file.path),
        )
        yield from give_batches(self._inspected(connection, fresh, guard), self._batch)

    def read_single(self, connection: duckdb.DuckDBPyConnection, item: str, now: datetime) -> Batch | Problem:
        """One file alone, as ``read_batches`` would give it."""
        if "://" in item:
            self._remote(connection)  # makes its file system known to DuckDB
        file = _File(item, "alone", 0.0)
        layout = self._layout(connection, file)
        return layout if isinstance(layout, Problem) else self._batch([(file, layout)])

    def path_of(self, item: str) -> str:
        """See ``monitor.sources.batch.GuardedSource``."""
        return item

    def _local(self) -> list[_File]:
        pattern = self.config.path
        fixed = os.path.dirname(pattern)  # noqa: PTH120  # Path would normalise the glob's **
        while glob.has_magic(fixed):
            fixed = os.path.dirname(fixed)  # noqa: PTH120  # see above
        root = self.base / fixed
        if not os.path.isdir(root):  # noqa: PTH112  # Path.is_dir raises where a parent may not be searched
            raise FileNotFoundError(root)
        if not os.access(root, os.R_OK | os.X_OK):
            raise SourceError(f'source "{self.name}": {root}: may not be listed by this user', "give it read access")
        files = []
        for found in glob.iglob(pattern, root_dir=self.base, recursive=True):  # noqa: PTH207  # takes absolute patterns too
            path = os.path.join(self.base, found)  # noqa: PTH118  # a plain string is what DuckDB is given
            try:
                status = os.stat(path)  # noqa: PTH116  # see above
            except FileNotFoundError:
                if os.path.islink(path):  # noqa: PTH114  # see above
                    files.append(_File(path, _LINK, 0.0))
                continue  # gone between listing and looking: next cycle's news, if it comes back
            except OSError:
                files.append(_File(path, "", 0.0))  # reading it will fail too, and tell why
                continue
            if os.path.isdir(path):  # noqa: PTH112  # see above
                if _is_taken_for_a_file(pattern, path):
                    files.append(_File(path, _DIRECTORY, 0.0))
            else:
                files.append(_File(path, f"{status.st_size}:{status.st_mtime_ns}", status.st_mtime))
        return files

    def _remote(self, connection: duckdb.DuckDBPyConnection) -> list[_File]:
        try:
            from fsspec.core import url_to_fs
        except ImportError as error:
            raise SourceError(
                f'source "{self.name}": {self.config.path} needs fsspec', "pip install 'calwatch[remote]'"
            ) from error
        try:
            filesystem, pattern = url_to_fs(self.config.path)
            protocol = self.config.path.partition("://")[0]
            if protocol not in connection.list_filesystems():
                connection.register_filesystem(filesystem)
            details: Mapping[str, Mapping[str, Any]] = filesystem.glob(pattern, detail=True)
        except (ImportError, ValueError, OSError) as error:
            raise SourceError(
                f'source "{self.name}": {self.config.path}: {error}', "check the URL, its driver and its credentials"
            ) from error
        files = []
        for path, status in details.items():
            if status.get("type") != "directory":
                stamp = status.get("ETag") or status.get("mtime") or status.get("LastModified") or status.get("created")
                changed = status.get("mtime") or status.get("LastModified") or status.get("created") or 0
                seconds = changed.timestamp() if isinstance(changed, datetime) else float(changed)
                files.append(_File(f"{protocol}://{path.lstrip('/')}", f"{status.get('size')}:{stamp}", seconds))
        return files

    def _inspected(
        self, connection: duckdb.DuckDBPyConnection, fresh: Sequence[_File], guard: Guard
    ) -> Iterator[Problem | tuple[tuple[_File, "formats.Layout"], Hashable, int]]:
        """The files that rows can be taken from, each with its kind and rows, and problems, most of them of the others."""
        for file in fresh:
            layout = guard.inspect_item(file.path, partial(self._layout, connection, file))
            if layout is None or isinstance(layout, Problem):
                yield from [layout] if layout else []
                continue
            for reason, told in tell_missing(layout, self.config, self.needs.slices).items():
                yield Problem(file.path, reason, f"{file.path}: {told}")
            # what a file written anew no longer says is told of it alone
            small = not file.known and is_small(layout, file.path, file.size)
            kind: Hashable = object() if guard.wants_alone(file.path) else SMALL if small else layout.run
            yield (file, layout), kind, estimated_rows(layout, file.path, file.size)

    def _layout(self, connection: duckdb.DuckDBPyConnection, file: _File) -> "formats.Layout | Problem":
        final = {file.path: file.fingerprint}
        if told := unusable_name(file.path):
            return Problem(make_visible(file.path[:_SHOWN]), "unreadable_file", told)
        if told := _NOTHING_TO_READ.get(file.fingerprint, ""):
            return Problem(file.path, "unreadable_file", f"{file.path}: {told}; looked at again when it changes", final)
        is_empty = (
            file.fingerprint.startswith("0:") and self.config.format != "yolo"
        )  # there it is an image without a box
        if is_empty and ("://" in file.path or os.path.isfile(file.path)):  # noqa: PTH113  # see above
            return Problem(file.path, "empty_file", f"{file.path}: is empty; looked at again when it changes", final)
        found = inspect_file(connection, file.path, self.config, self.needs)
        if not isinstance(found, UnusableFile):
            return found
        then = (
            "perhaps it is still being written: tried again next cycle" if found.perhaps_unfinished
            else "nothing of the file was taken, it is tried again"
        )  # fmt: skip
        return Problem(file.path, found.reason, f"{file.path}: {found.why}; {then}")

    def _batch(self, members: Sequence[tuple[_File, "formats.Layout"]]) -> Batch:
        def part(chosen: Sequence[int]) -> Batch:
            return self._batch([members[index] for index in chosen])

        rows, rejects = relations_of([(file.path, layout) for file, layout in members])
        is_one_by_one = len(members) > 1 and all(
            not file.known and is_small(layout, file.path, file.size) for file, layout in members
        )
        return Batch(
            relation=rows[0].relation,
            types=rows[0].types,
            cursor={file.path: file.fingerprint for file, _ in members},
            files=len(members),
            unreadable=rows[0].unreadable,
            unused=rows[0].unused,
            rejects=rejects,
            meaning=self.config,
            reread=frozenset(file.path for file, _ in members if file.known),
            alone=tuple(self._batch([member]) for member in members) if len(members) > 1 else (),
            part=part if is_one_by_one else None,
            others=rows[1:],
            facts=collect_categories(layout.categories for _, layout in members),
            keeps=tuple(layout.keeps for _, layout in members),
        )
