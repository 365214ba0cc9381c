"""How much the compressed buffers of an Arrow message take once unpacked, read off its frame before anything is unpacked.

Arrow columnar format, IPC: a message's metadata is a Flatbuffer with a RecordBatch (or a DictionaryBatch around one),
which lists its buffers as (offset, length) pairs and says whether they are compressed. A compressed buffer starts with its
unpacked length as a little-endian int64; -1 says that it was left as it is.
"""

import struct

_HEADER_TYPE, _HEADER = 1, 2  # fields of Message
_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3  # types of header
_BATCH_OF_DICTIONARY = 1  # field of DictionaryBatch
_BUFFERS, _COMPRESSION = 2, 3  # fields of RecordBatch


class FrameError(Exception):
    """The frame is not one."""


def unpacked_size(metadata: object, body: object) -> int:
    """Bytes of the message's body once unpacked; its own length where nothing is compressed. Both arguments are buffers.

    Raises FrameError when the metadata points outside of it or of the body.
    """
    frame = memoryview(metadata)  # type: ignore[arg-type]  # pyarrow's buffers are buffers
    held = memoryview(body) if body is not None else memoryview(b"")  # type: ignore[arg-type]  # as above
    try:
        return _unpacked(frame, held)
    except struct.error as error:
        raise FrameError(f"its frame points outside: {error}") from error


def _unpacked(frame: memoryview, body: memoryview) -> int:
    message = _follow(frame, 0)
    at = _field(frame, message, _HEADER_TYPE)
    kind = _read("<B", frame, at)[0] if at else 0
    header = _table(frame, message, _HEADER)
    if kind == _DICTIONARY_BATCH and header:
        header = _table(frame, header, _BATCH_OF_DICTIONARY)
    elif kind != _RECORD_BATCH:
        return len(body)
    listed = _table(frame, header, _BUFFERS) if header else 0
    if not listed or not _field(frame, header, _COMPRESSION):
        return len(body)
    (count,) = _read("<I", frame, listed)
    if count > len(frame) // 16:
        raise FrameError("it lists more buffers than it can hold")
    size = 0
    for place in range(count):
        offset, length = _read("<qq", frame, listed + 4 + 16 * place)
        if offset < 0 or length < 0 or offset + length > len(body):
            raise FrameError("a buffer lies outside of it")
        unpacked = _read("<q", body, offset)[0] if length >= 8 else length
        size += length if unpacked < 0 else unpacked
    return size


def _read(form: str, held: memoryview, at: int) -> tuple[int, ...]:
    if at < 0:
        raise FrameError("an offset is negative")
    return struct.unpack_from(form, held, at)


def _follow(frame: memoryview, at: int) -> int:
    return at + _read("<I", frame, at)[0]


def _field(frame: memoryview, table: int, number: int) -> int:
    """Where a table's field stands; 0 when it has none."""
    listing = table - _read("<i", frame, table)[0]
    (size,) = _read("<H", frame, listing)
    place = 4 + 2 * number
    offset = _read("<H", frame, listing + place)[0] if place + 2 <= size else 0
    return table + offset if offset else 0


def _table(frame: memoryview, table: int, number: int) -> int:
    """Where what a table's field points to stands; 0 when it has none."""
    at = _field(frame, table, number)
    return _follow(frame, at) if at else 0
