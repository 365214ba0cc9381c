"""What is on disk after a power failure."""

import errno
import os
from pathlib import Path

_CANNOT = (errno.EINVAL, errno.ENOTSUP)  # what file systems say that flush no directories


def flush_directory(directory: Path) -> None:
    """The names in it: files that were made, renamed or removed stay so. Raises OSError."""
    listing = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(listing)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
    finally:
        os.close(listing)
