"""Gathering the samples of a reference "deployment", bucket by bucket, until there are enough."""

import json
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from monitor.statistics.arrays import Floats, totals
from monitor.statistics.cells import FINE_BINS, Cells, fine_bin_of
from monitor.statistics.drift.groups import GroupSums
from monitor.statistics.drift.reference import Reference, fit_fine_sums
from monitor.statistics.drift.reference_groups import LEAST_GROUPS, fit_groups

LEAST_SAMPLES = 200  # below which the band of a curve is not trusted
_MAGIC = b"cwd1"
_HEAD = struct.Struct("<4sI")  # magic, length of the description that follows, before the arrays


def _nothing() -> Floats:
    return np.zeros((3, FINE_BINS))


@dataclass(frozen=True, slots=True, eq=False)
class ReferencePool:
    """One slice: ``sums`` (3, 192) Σw, Σwp, Σwy per fine bin so far; or ``reference``, once there are enough.

    Samples of a group of m weigh 1/m. ``grouped``: whether a group of two or more was among them.
    """

    sums: Floats = field(default_factory=_nothing)
    reference: Reference | None = None
    grouped: bool = False

    @property
    def weight(self) -> float:
        """Samples so far, or those the reference rests on; a group counts as one."""
        return float(self.sums[0].sum()) if self.reference is None else self.reference.samples

    def needed(self, asked: float) -> float:
        """How many it takes where ``asked`` are asked for: at least 200, or 50 groups where there are some."""
        return max(asked, LEAST_GROUPS if self.grouped else LEAST_SAMPLES)

    def to_bytes(self) -> bytes:
        """Up to 4.7 kB, little-endian: what was gathered, or the two bounds of the band."""
        if self.reference is None:
            described: dict[str, object] = {"grouped": True} if self.grouped else {}
            arrays = self.sums
        else:
            known = self.reference
            described = {"kind": known.kind, "samples": known.samples, "fit_p": known.fit_p}
            arrays = np.stack([known.lower, known.upper])
        head = json.dumps(described).encode()
        return _HEAD.pack(_MAGIC, len(head)) + head + np.asarray(arrays, dtype="<f8").tobytes()

    @classmethod
    def from_bytes(cls, checkpoint: bytes) -> "ReferencePool":
        """The inverse of ``to_bytes``. Raises ValueError when the bytes are not of this format."""
        magic, length = _HEAD.unpack_from(checkpoint) if len(checkpoint) >= _HEAD.size else (b"", 0)
        if magic != _MAGIC:
            raise ValueError(f"not a reference checkpoint: starts with {checkpoint[:4]!r}")
        described = json.loads(checkpoint[_HEAD.size : _HEAD.size + length])
        body = np.frombuffer(checkpoint, dtype="<f8", offset=_HEAD.size + length).astype(np.float64)
        arrays = body.reshape(-1, FINE_BINS)
        if "kind" not in described:
            return cls(arrays, None, bool(described.get("grouped")))
        kind = cast(Literal["logistic", "quadratic", "bins"], described["kind"])
        return cls(_nothing(), Reference(kind, arrays[0], arrays[1], described["samples"], described["fit_p"]))


# {slice: bucket} → of each slice all samples up to that bucket: those alone (3, 192), and groups by fine bin
History = Callable[[Mapping[int, int]], Mapping[int, tuple[Floats, GroupSums]]]


def pool_reference(
    gathering: Sequence[ReferencePool], cells: Cells, buckets: int, needed: float, groups: GroupSums, history: History,
    confidence: float = 0.99,
) -> tuple[list[ReferencePool], NDArray[np.bool_]]:  # fmt: skip
    """Take buckets in order into the references of slices that have none yet.

    ``cells.unit`` is ``slice · buckets + bucket``, of samples without a group; ``groups`` are by fine bin. ``history`` gives
    for slices and buckets what ``fit_groups`` takes. Returns the slices after the
    last bucket, and (slices, buckets) which buckets are to be judged: those after the one in which ``needed`` was reached.

    >>> from monitor.statistics.cells import Cells
    >>> cells = Cells.from_samples([0.2, 0.8] * 300, [0, 1] * 300, unit=np.arange(600) // 300)
    >>> none = GroupSums.of([], [], [], [], [], [], [])
    >>> found, judged = pool_reference([ReferencePool()], cells, 2, 250, none, lambda wanted: {})
    >>> found[0].reference is not None, judged.tolist()
    (True, [[False, True]])
    """
    slices, width = len(gathering), max(buckets, 1)
    open_ = np.array([one.reference is None for one in gathering], dtype=np.bool_)
    size, units = groups.group_sizes(), (slices, buckets)
    of_group = groups.row * width + groups.position
    weight = (
        totals(cells.unit, cells.weight, slices * buckets) + totals(of_group, groups.n / size, slices * buckets)
    ).reshape(units)
    several = totals(of_group, (size > 1).astype(np.float64), slices * buckets).reshape(units) > 0
    before = np.array([one.grouped for one in gathering], dtype=np.bool_)[:, None]
    grouped = before | np.logical_or.accumulate(several, axis=1)
    least = np.where(grouped, max(needed, LEAST_GROUPS), max(needed, LEAST_SAMPLES)) - 1e-9
    enough = np.array([one.weight for one in gathering])[:, None] + np.cumsum(weight, axis=1) >= least
    reached = np.where(open_ & enough.any(axis=1), enough.argmax(axis=1) if buckets else 0, -1)
    wanted = {row: at for row, at in enumerate(reached.tolist()) if at >= 0 and grouped[row, at]}
    fitted = {row: fit_groups(*held, confidence) for row, held in (history(wanted) if wanted else {}).items()}
    # too few are left of the groups that there were: gather on
    reached[[row for row, fit in fitted.items() if fit is None]] = -1
    last = np.where(~open_, -1, np.where(reached >= 0, reached, buckets - 1))
    sums = _take(cells, groups, size, last, width)
    found = list(gathering)
    for row in np.flatnonzero(open_).tolist():
        own = gathering[row].sums + sums[:, row]
        if reached[row] < 0:
            found[row] = ReferencePool(own, None, bool(grouped[row, -1]) if buckets else gathering[row].grouped)
        else:
            found[row] = ReferencePool(_nothing(), fitted.get(row) or fit_fine_sums(own[0], own[1], own[2], confidence))
    judged: NDArray[np.bool_] = np.arange(buckets)[None, :] > last[:, None]
    return found, judged


def _take(cells: Cells, groups: GroupSums, size: Floats, last: NDArray[np.int64], width: int) -> Floats:
    """(3, slices, 192): Σw, Σwp and Σwy of the samples of each slice up to its bucket ``last``."""
    alone = np.flatnonzero(cells.unit % width <= last[cells.unit // width])
    beside = np.flatnonzero(groups.position <= last[groups.row])
    slot = cells.unit[alone] // width * FINE_BINS + fine_bin_of(cells.bin[alone])
    other, share = groups.row[beside] * FINE_BINS + groups.bin[beside], 1 / size[beside]
    length = last.size * FINE_BINS
    sums = [
        totals(slot, one[alone], length) + totals(other, another[beside] * share, length)
        for one, another in (
            (cells.weight, groups.n), (cells.weight_score, groups.score), (cells.weight_outcome, groups.outcome)
        )
    ]  # fmt: skip
    return np.stack(sums).reshape(3, last.size, FINE_BINS)
