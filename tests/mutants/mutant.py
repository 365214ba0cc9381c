"""One mutant, and the bytes that chance alone makes of honest ones."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from numpy.random import Generator

from .known import Known

WORDS = (
    b"\x00", b"\xff", b"\xff\xfe", b"\xef\xbb\xbf", b"\r", b"\n", b"\r\n", b'"', b'""', b"\\", b",", b";", b"\t", b"'",
    b"\x01", b"\x1a", b"\x1f", b"\xc3\x28", b"\xed\xa0\x80", b"\xe2\x80\xa8", b"\xc2\x85", b"NaN", b"-Infinity", b"1e999",
    b"0x1p3", b"PAR1", b"PARE", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"{", b"}", b"[", b"]", b"-", b"9" * 40, b"null",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mutant:
    """A file ``name`` in the watched directory, or the body of a push. ``how``: what was done to it, in words.

    ``rows`` where one can tell how many it has, ``known`` where one can tell what they say.
    """

    name: str
    content: bytes
    how: str
    pushed: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    rows: int | None = None
    known: Known | None = None


def flip(rng: Generator, content: bytes) -> bytes:
    """One to eight bits."""
    changed = bytearray(content)
    for _ in range(int(rng.integers(1, 9))):
        changed[rng.integers(len(changed))] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def overwrite(rng: Generator, content: bytes) -> bytes:
    """A stretch of any bytes, of zeros, or of ones."""
    at, size = int(rng.integers(len(content))), int(rng.integers(1, 65))
    stretch = (rng.bytes(size), bytes(size), b"\xff" * size)[int(rng.integers(3))]
    return content[:at] + stretch + content[at + size :]


def cut_short(rng: Generator, content: bytes) -> bytes:
    return content[: int(rng.integers(len(content)))]


def cut_out(rng: Generator, content: bytes) -> bytes:
    first, last = sorted(int(at) for at in rng.integers(0, len(content), 2))
    return content[:first] + content[last:]


def insert(rng: Generator, content: bytes) -> bytes:
    """A word that means something to a reader, once or a thousand times."""
    at, word = int(rng.integers(len(content) + 1)), WORDS[int(rng.integers(len(WORDS)))]
    return content[:at] + word * int(rng.choice([1, 1, 1, 2, 1000])) + content[at:]


def double(rng: Generator, content: bytes) -> bytes:
    """A stretch twice, at its place or elsewhere."""
    first, last = sorted(int(at) for at in rng.integers(0, len(content), 2))
    at = int(rng.integers(len(content)))
    return content[:at] + content[first:last] + content[at:]


def append_itself(rng: Generator, content: bytes) -> bytes:
    return content + content


def several(rng: Generator, content: bytes) -> bytes:
    for _ in range(int(rng.integers(2, 6))):
        content = BYTES[int(rng.integers(len(BYTES)))](rng, content) or b"x"
    return content[: 1 << 22]


BYTES: tuple[Callable[[Generator, bytes], bytes], ...] = (
    flip, overwrite, cut_short, cut_out, insert, double, append_itself,
)  # fmt: skip
ANY_BYTES = (*BYTES, several)
