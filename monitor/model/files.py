"""What is on disk after a power failure.

By itself, because it is one of the two places in ``model`` that touch the system.
"""

import errno
import os
from pathlib import Path
from urllib.parse import quote

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


def directory_name(model: str) -> str:
    """The model's name as one path component, reversible by ``urllib.parse.unquote``. Raises ValueError for ``""``."""
    if not model:
        raise ValueError('a model needs a name of at least one character (got "")')
    if model in (".", ".."):
        return "%2E" * len(model)
    return quote(model, safe="")
