"""The reference of each slice at deployment: gathered from its first labelled samples, then kept as a band.

Until ``needed`` weighed samples are there a slice is gathering and nothing of it is judged; the bucket in which they are
reached still belongs to the reference. Which buckets those are depends on counts alone, never on outcomes, so that what
is judged later is fresh. Sums per fine bin are all that has to be kept on the way.
"""

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from monitor.statistics._arrays import Floats, totals
from monitor.statistics.cells import FINE_BINS, Cells, fine_bin_of
from monitor.statistics.evidence_reference import Reference, fit_fine_sums

_MAGIC = b"cwd1"
_HEAD = struct.Struct("<4sI")  # magic, length of the description that follows, before the arrays


def _nothing() -> Floats:
    return np.zeros((3, FINE_BINS))


@dataclass(frozen=True, slots=True, eq=False)
class Gathering:
    """One slice: ``sums`` (3, 192) Σw, Σwp, Σwy per fine bin so far; or ``reference``, once there are enough."""

    sums: Floats = field(default_factory=_nothing)
    reference: Reference | None = None

    @property
    def weight(self) -> float:
        """Weighed samples so far, or those the reference rests on."""
        return float(self.sums[0].sum()) if self.reference is None else self.reference.samples

    def to_bytes(self) -> bytes:
        """Up to 4.7 kB, little-endian: what was gathered, or the two bounds of the band."""
        if self.reference is None:
            described: dict[str, object] = {}
            arrays = self.sums
        else:
            known = self.reference
            described = {"kind": known.kind, "samples": known.samples, "fit_p": known.fit_p}
            arrays = np.stack([known.lower, known.upper])
        head = json.dumps(described).encode()
        return _HEAD.pack(_MAGIC, len(head)) + head + np.asarray(arrays, dtype="<f8").tobytes()

    @classmethod
    def from_bytes(cls, checkpoint: bytes) -> "Gathering":
        """The inverse of ``to_bytes``. Raises ValueError when the bytes are not of this format."""
        magic, length = _HEAD.unpack_from(checkpoint) if len(checkpoint) >= _HEAD.size else (b"", 0)
        if magic != _MAGIC:
            raise ValueError(f"not a reference checkpoint: starts with {checkpoint[:4]!r}")
        described = json.loads(checkpoint[_HEAD.size : _HEAD.size + length])
        body = np.frombuffer(checkpoint, dtype="<f8", offset=_HEAD.size + length).astype(np.float64)
        arrays = body.reshape(-1, FINE_BINS)
        if not described:
            return cls(arrays)
        kind = cast(Literal["logistic", "bins"], described["kind"])
        return cls(_nothing(), Reference(kind, arrays[0], arrays[1], described["samples"], described["fit_p"]))


def gather(
    gathering: Sequence[Gathering], cells: Cells, buckets: int, needed: float, confidence: float = 0.99
) -> tuple[list[Gathering], NDArray[np.bool_]]:
    """Take buckets in order into the references of slices that have none yet.

    ``cells.unit`` is ``slice · buckets + bucket``. Returns the slices after the last bucket, and (slices, buckets) which
    buckets are to be judged: those after the one in which ``needed`` was reached.
    """
    slices, width = len(gathering), max(buckets, 1)
    open_ = np.array([one.reference is None for one in gathering], dtype=np.bool_)
    row, bucket = cells.unit // width, cells.unit % width
    some = np.flatnonzero(open_[row] & (cells.weight > 0))
    weight = totals(cells.unit[some], cells.weight[some], slices * buckets).reshape(slices, buckets)
    enough = np.array([one.weight for one in gathering])[:, None] + np.cumsum(weight, axis=1) >= needed
    reached = open_ & enough.any(axis=1)
    last = np.where(~open_, -1, np.where(reached, enough.argmax(axis=1) if buckets else -1, buckets - 1))
    taken = some[bucket[some] <= last[row[some]]]
    slot = row[taken] * FINE_BINS + fine_bin_of(cells.bin[taken])
    columns = (cells.weight, cells.weight_score, cells.weight_outcome)
    news = np.stack([totals(slot, column[taken], slices * FINE_BINS).reshape(slices, FINE_BINS) for column in columns])
    found = list(gathering)
    for index in np.flatnonzero(open_).tolist():
        sums = gathering[index].sums + news[:, index]
        found[index] = Gathering(_nothing(), _fitted(sums, confidence)) if reached[index] else Gathering(sums)
    judged: NDArray[np.bool_] = np.arange(buckets)[None, :] > last[:, None]
    return found, judged


def _fitted(sums: Floats, confidence: float) -> Reference:
    return fit_fine_sums(sums[0], sums[1], sums[2], confidence)
