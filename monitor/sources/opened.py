"""The bytes of a file, wherever it is."""

from typing import IO, Any, cast


def open_file(path: str) -> IO[bytes]:
    """The bytes of a file here or at an URL, as they are stored. Raises OSError."""
    if "://" not in path:
        return open(path, "rb")  # noqa: PTH123  # a plain string is what DuckDB is given; closed by the caller
    from fsspec.core import url_to_fs

    filesystem, inside = url_to_fs(path)
    opened: Any = filesystem.open(inside, "rb")
    return cast(IO[bytes], opened)
