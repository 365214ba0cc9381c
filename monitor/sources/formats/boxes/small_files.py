"""Small files of one image each, as YOLO and VOC have them: their whole text, and the names that an image has by its file."""

from contextlib import ExitStack

import duckdb

from monitor.model.errors import SourceError
from monitor.sources.formats import long_lines
from monitor.sources.formats.heads import demand_utf8, read_head

_MOST = 16 * 1024 * 1024  # bytes: of one image there are far less
_CHUNK = 1024 * 1024


def text_of(connection: duckdb.DuckDBPyConnection, path: str) -> str:
    """The text of a file, unpacked, without its byte order mark. Raises SourceError, OSError and duckdb.Error."""
    head = read_head(connection, path)
    demand_utf8(path, head, header=True)
    if head.whole:
        return head.text
    if path.lower().endswith(".zst"):
        raise SourceError("is too long for the boxes of one image packed with zstd; pack it with gzip")
    content = b""
    with ExitStack() as open_files:
        for chunk in long_lines.chunks_of(path, _CHUNK, open_files):
            content += chunk
            if len(content) > _MOST:
                raise SourceError(
                    f"has more than {_MOST // 1024**2} MiB, where a file holds the boxes of one image: is it another format?",
                )
    return content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")


def stem_of(path: str) -> str:
    """The name of a file without folders, packing and ending.

    >>> stem_of("labels/front/0007.jpg.txt.gz"), stem_of("a\\\\b.txt")
    ('0007.jpg', 'b')
    """
    for packing in (".gz", ".zst"):
        path = path.removesuffix(packing)
    return image_stem(path)


def image_stem(path: str) -> str:
    """The name of an image without folders and ending.

    >>> image_stem("cam/a.0007.jpg"), image_stem(".jpg")
    ('a.0007', '.jpg')
    """
    name = path.replace("\\", "/").rstrip("/").rpartition("/")[2]
    front, dot, _ = name.rpartition(".")
    return front if dot and front else name


def folder_stem_of(path: str) -> str:
    """The same, with the folder it lies in, for images that are told apart by it.

    >>> folder_stem_of("labels/front/0007.txt")
    'front/0007'
    """
    folder = path.replace("\\", "/").rpartition("/")[0].rpartition("/")[2]
    return f"{folder}/{stem_of(path)}" if folder else stem_of(path)
