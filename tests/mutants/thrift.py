"""Thrift's compact protocol, as far as Parquet's footers and page headers need it: read into a tree, changed, written again.

https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from dataclasses import dataclass
from typing import Any

from numpy.random import Generator

_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 11, 12
_INTEGERS = (4, 5, 6)
EXTREMES = (0, -1, 1, 2, 7, 127, 255, 65_536, 2**31 - 1, -(2**31), 2**40, 2**62, 2**63 - 1, -(2**63))


@dataclass(slots=True)
class Node:
    """A value and its type: a number, bytes, a list of Nodes (lists), or of (field id, Node) pairs (structs)."""

    kind: int
    value: Any
    element: int = 0  # type of a list's elements


class _Reader:
    def __init__(self, content: bytes) -> None:
        self.content, self.at = content, 0

    def byte(self) -> int:
        self.at += 1
        return self.content[self.at - 1]

    def varint(self) -> int:
        result = shift = 0
        while True:
            byte = self.byte()
            result |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return result

    def zigzag(self) -> int:
        number = self.varint()
        return (number >> 1) ^ -(number & 1)

    def value(self, kind: int, *, inside: bool = False) -> Node:
        if kind in (_TRUE, _FALSE):
            return Node(self.byte() if inside else kind, None)
        if kind == _BYTE:
            return Node(kind, self.byte())
        if kind in _INTEGERS:
            return Node(kind, self.zigzag())
        if kind == _DOUBLE:
            self.at += 8
            return Node(kind, self.content[self.at - 8 : self.at])
        if kind == _BINARY:
            size = self.varint()
            self.at += size
            return Node(kind, self.content[self.at - size : self.at])
        if kind in (_LIST, _SET):
            head = self.byte()
            size, element = head >> 4, head & 15
            size = self.varint() if size == 15 else size
            return Node(kind, [self.value(element, inside=True) for _ in range(size)], element)
        if kind == _STRUCT:
            return self.struct()
        raise ValueError(f"type {kind}")

    def struct(self) -> Node:
        fields, last = [], 0
        while head := self.byte():
            last = last + (head >> 4) if head >> 4 else self.zigzag()
            fields.append((last, self.value(head & 15)))
        return Node(_STRUCT, fields)


def read_struct(content: bytes) -> tuple[Node, int]:
    """A struct at the beginning, and how many bytes it has. Raises IndexError or ValueError where there is none."""
    reader = _Reader(content)
    return reader.struct(), reader.at


def _varint(number: int) -> bytes:
    out = bytearray()
    while True:
        low, number = number & 0x7F, number >> 7
        out.append(low | (0x80 if number else 0))
        if not number:
            return bytes(out)


def _zigzag(number: int) -> bytes:
    return _varint((number << 1) ^ (number >> 63) if number >= 0 else ((-number) << 1) - 1)


def write_node(node: Node, *, inside: bool = False) -> bytes:
    if node.kind in (_TRUE, _FALSE):
        return bytes([node.kind]) if inside else b""
    if node.kind == _BYTE:
        return bytes([node.value & 255])
    if node.kind in _INTEGERS:
        return _zigzag(node.value)
    if node.kind == _DOUBLE:
        return bytes(node.value)
    if node.kind == _BINARY:
        return _varint(len(node.value)) + bytes(node.value)
    if node.kind in (_LIST, _SET):
        size = len(node.value)
        head = bytes([(min(size, 15) << 4) | node.element]) + (_varint(size) if size >= 15 else b"")
        return head + b"".join(write_node(each, inside=True) for each in node.value)
    out, last = bytearray(), 0
    for field, each in node.value:
        step = field - last
        out += bytes([(step << 4) | each.kind]) if 0 < step < 16 else bytes([each.kind]) + _zigzag(field)
        out += write_node(each)
        last = field
    return bytes(out) + b"\0"


def change(rng: Generator, root: Node) -> str:
    """Change one place in the tree; what was done, in words."""
    nodes: list[tuple[str, Node]] = []
    _walk(root, "", nodes)
    path, node = nodes[int(rng.integers(len(nodes)))]
    if node.kind in _INTEGERS or node.kind == _BYTE:
        near = (node.value + 1, node.value - 1, node.value * 2, -node.value, int(rng.integers(-3, 30)))
        among = near + EXTREMES
        node.value = max(-(2**63), min(2**63 - 1, among[int(rng.integers(len(among)))]))
    elif node.kind == _BINARY:
        kinds = (
            b"",
            node.value * 2,
            rng.bytes(len(node.value)),
            rng.bytes(8),
            b"x" * 100_000,
            node.value[:-1],
            b"\0" * len(node.value),
        )
        node.value = kinds[int(rng.integers(len(kinds)))]
    elif node.kind in (_TRUE, _FALSE):
        node.kind = _TRUE + _FALSE - node.kind
    elif node.kind in (_LIST, _SET, _STRUCT) and node.value:
        at, way = int(rng.integers(len(node.value))), int(rng.integers(4))
        if way == 0:
            del node.value[at]
        elif way == 1:
            node.value.insert(at, node.value[int(rng.integers(len(node.value)))])
        elif way == 2:
            node.value = node.value[::-1] if node.kind != _STRUCT else node.value[:at]
        else:
            node.value = node.value * (2 if len(node.value) > 100 else 60) if node.kind != _STRUCT else []
    return path


def _walk(node: Node, path: str, into: list[tuple[str, Node]]) -> None:
    into.append((path, node))
    if node.kind == _STRUCT:
        for field, each in node.value:
            _walk(each, f"{path}.{field}", into)
    elif node.kind in (_LIST, _SET):
        for index, each in enumerate(node.value):
            _walk(each, f"{path}[{index}]", into)


def field_of(node: Node, field: int) -> Any:
    """The value of a struct's field; None where it has none such."""
    return next((each.value for number, each in node.value if number == field), None)
