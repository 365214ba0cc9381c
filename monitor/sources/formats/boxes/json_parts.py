"""A JSON object of any size, read in parts: the values of its keys, and of lists their elements one by one."""

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from monitor.model.errors import SourceError
from monitor.sources.formats.boxes.elements import ELEMENT_BYTES

_DECODE = json.JSONDecoder().raw_decode
_BLANK = re.compile(r"[ \t\r\n]*")
_SHOWN = 60  # characters of what cannot be read
# outlines are most of a file, and nobody reads them here; one that a chunk cuts in two is read as it is
_OUTLINE = re.compile(r'"segmentation"\s*:\s*\[[\[\]0-9\s.,eE+-]*+(?=(["}]))')


@dataclass(frozen=True, slots=True)
class Part:
    """A value under a key of the object. ``index``: its place in the list under that key, from 0; −1: it is no list, or an
    empty one."""

    key: str
    index: int
    value: Any
    text: str


def parts_of(path: str, chunks: Iterable[bytes]) -> Iterator[Part]:
    """All values of the object that the chunks are the text of, without their outlines (``segmentation`` as lists of numbers).

    Raises SourceError with what to do where it is no such object, OSError where it ends too early.
    """
    yield from _Reader(path, _texts(path, chunks)).parts()


def _texts(path: str, chunks: Iterable[bytes]) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    at = 0
    for chunk in chunks:
        try:
            text = decoder.decode(chunk)
        except UnicodeDecodeError as error:
            raise SourceError(
                f"is not UTF-8 (near byte {at + error.start:,}: {error.object[error.start : error.start + 20]!r}); write it "
                "again as UTF-8",
            ) from None
        at += len(chunk)
        if text:
            yield _OUTLINE.sub(_without_outline, text) if "segmentation" in text else text


def _without_outline(found: re.Match[str]) -> str:
    """Nothing, with the comma behind it; where it is the last of its object, null."""
    return "" if found[1] == '"' else '"segmentation":null'


class _Reader:
    def __init__(self, path: str, texts: Iterator[str]) -> None:
        self._path, self._texts = path, texts
        self._text, self._at, self._is_over = "", 0, False

    def parts(self) -> Iterator[Part]:
        self._expect("{", "the file")
        if self._next_sign() == "}":
            self._at += 1
        else:
            while True:
                key, _ = self._value("a key of it")
                if not isinstance(key, str):
                    raise self._malformed("the file")
                self._expect(":", f'the file behind "{key}"')
                yield from self._under(key)
                if self._take(",}", f'the file behind "{key}"') == "}":
                    break
        if self._next_sign() == "{":
            raise SourceError(
                "holds several JSON objects one behind the other: objects that are rows, one a line, are "
                'format = "json"; documents belong into a file each',
            )
        if self._next_sign():
            raise self._malformed("the file behind its end")

    def _under(self, key: str) -> Iterator[Part]:
        if self._next_sign() != "[":
            value, text = self._value(f'"{key}"')
            yield Part(key, -1, value, text)
            return
        self._at += 1
        if self._next_sign() == "]":
            self._at += 1
            yield Part(key, -1, [], "[]")
            return
        index = 0
        while True:
            where = f'element {index:,} of "{key}" (the first is 0)'
            value, text = self._value(where)
            yield Part(key, index, value, text)
            index += 1
            if self._take(",]", where) == "]":
                return

    def _next_sign(self) -> str:
        """The sign that comes next and is no blank, not taken; "" at the end."""
        while True:
            blank = _BLANK.match(self._text, self._at)
            self._at = blank.end() if blank else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._read_on():
                return ""

    def _expect(self, sign: str, where: str) -> None:
        self._take(sign, where)

    def _take(self, signs: str, where: str) -> str:
        found = self._next_sign()
        if not found:
            raise self._cut_short(where)
        if found not in signs:
            raise self._malformed(where)
        self._at += 1
        return found

    def _value(self, where: str) -> tuple[Any, str]:
        """The value that comes next, and its text."""
        if not self._next_sign():
            raise self._cut_short(where)
        while True:
            try:
                value, end = _DECODE(self._text, self._at)
            except json.JSONDecodeError as error:
                if len(self._text) - self._at <= ELEMENT_BYTES and self._read_on():
                    continue
                if error.msg.startswith("Unterminated") or error.pos >= len(self._text.rstrip()):
                    if self._is_over:
                        raise self._cut_short(where) from None
                    raise self._too_long(where) from None
                self._at = error.pos
                raise self._malformed(where) from None
            except (RecursionError, ValueError) as error:
                raise SourceError(f"{where} cannot be read ({error}); leave out what is not needed") from None
            if end == len(self._text) and self._read_on():
                continue  # a number may go on
            if end - self._at > ELEMENT_BYTES:
                raise self._too_long(where)
            text = self._text[self._at : end]
            self._at = end
            return value, text

    def _read_on(self) -> bool:
        """Whether there was more; what was taken is forgotten."""
        more = next(self._texts, None)
        if more is None:
            self._is_over = True
            return False
        self._text, self._at = self._text[self._at :] + more, 0
        return True

    def _malformed(self, where: str) -> SourceError:
        there = self._text[self._at : self._at + _SHOWN].split("\n")[0]
        return SourceError(f"{where} is no JSON where {there!r} stands; write it again")

    def _too_long(self, where: str) -> SourceError:
        return SourceError(
            f"{where} has more than {ELEMENT_BYTES / 1e6:.0f} MB; leave out what calwatch does not need, such as an image",
        )

    def _cut_short(self, where: str) -> OSError:
        return OSError(f"ends within {where}: only the beginning of it is there")
