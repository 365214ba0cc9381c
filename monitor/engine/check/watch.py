"""What ``calwatch check`` knows of files that cannot be read, and which one it reads: so that one of them stops nothing."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import duckdb

from monitor.sources.batch import Batch
from monitor.sources.replay.guard import ReplayGuard, describe_failure
from monitor.store.blame import is_unexpected


@dataclass(slots=True)
class CheckWatch(ReplayGuard):
    """Over all sources, one after the other."""

    def try_batch(self, batch: Batch, take: Callable[[Batch], None]) -> Iterator[Batch]:
        """The batch once it could be taken, or of its files those that could. Raises what says that a file is damaged."""
        try:
            with self.note_reading(*batch.items):
                take(batch)
        # a file may raise anything: it is named, and the others are tried
        except Exception as error:
            if not is_unexpected(error) or _says_damaged(error):
                raise
            if batch.files == 1:
                self.failed[batch.items[0]] = describe_failure(error)
            for member in batch.alone:
                yield from self.try_batch(member, take)
            return
        yield batch

    def take_problems(self) -> list[str]:
        """A sentence for each file that could not be read since this was asked last."""
        said = [f"{item}: {self.why_set_aside(item)}" for item in self.failed]
        self.failed.clear()
        return said


def _says_damaged(error: Exception) -> bool:
    """Whether DuckDB found a file damaged inside, which ends the look at its source."""
    grave = (duckdb.OutOfMemoryException, duckdb.InternalException)
    return isinstance(error, duckdb.Error) and not isinstance(error, grave)
