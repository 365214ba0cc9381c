"""Errors met at a file: what it holds, what is around it, a stop, or something that no file should be able to cause."""

import errno

import duckdb

from monitor.model.errors import CalwatchError
from monitor.store.connection import is_ctrl_c
from monitor.store.damage import has_errno, is_of_the_database


def is_disk_full(error: BaseException) -> bool:
    """Whether there was no room left to write to, on the disk or in the user's share of it."""
    return has_errno(error, errno.ENOSPC, errno.EDQUOT)


def is_of_the_disk(error: BaseException) -> bool:
    """Whether DuckDB gave up because of the disk that its database or its spilled rows lie on."""
    return is_disk_full(error) or has_errno(error, errno.EIO, errno.EROFS)


def lacks_room(error: BaseException) -> bool:
    """Whether DuckDB had more to write to the disk than it may: of memory there was enough."""
    return isinstance(error, duckdb.OutOfMemoryException) and "failed to offload data block" in str(error)


def is_grave(error: duckdb.Error) -> bool:
    """Whether an error that DuckDB raised at a file says nothing of what the file holds: out of memory, a mistake in DuckDB,
    a damaged database, a stop."""
    if isinstance(error, duckdb.InterruptException):
        return True
    grave = (duckdb.OutOfMemoryException, duckdb.FatalException, duckdb.InternalException)
    return (isinstance(error, grave) and not is_of_the_disk(error)) or is_of_the_database(error)


def is_unexpected(error: Exception) -> bool:
    """Whether a file is to be tried alone because of an error: not where a store or a disk cannot be reached or written, or
    the database is damaged, nor for a stop; those pass, or are for a person to mend."""
    if is_of_the_database(error):
        return False
    # a commit fails for the disk it is written to
    of_the_store = (
        duckdb.FatalException, duckdb.IOException, duckdb.TransactionException, duckdb.PermissionException,
        duckdb.SerializationException,
    )  # fmt: skip
    if isinstance(error, (CalwatchError, OSError, duckdb.InterruptException, *of_the_store)) or is_ctrl_c(error):
        return False
    # what other errors say may be words of the file itself
    return not (isinstance(error, (duckdb.OutOfMemoryException, duckdb.InternalException)) and is_of_the_disk(error))


def first_line(error: BaseException) -> str:
    """What an error says, without the advice that DuckDB puts below."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
