"""The curve that temperature, Platt and beta calibration share, applied to long arrays block by block."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MAX_EXPONENT = 1000.0  # 0.5^1000 is still a normal number, so p^a and (1 − p)^b are never both rounded to 0
MAX_INTERCEPT = 700.0  # e^700 is finite, so that it times 0 is 0
_BLOCK = 1 << 14  # scores at a time: three arrays of 128 kB stay in a core's cache from one operation to the next


def power_curve(score: NDArray[np.floating], a: float, b: float, c: float) -> Floats:
    """sigmoid(a·ln p − b·ln(1 − p) + c) of scores p in [0, 1], any shape, as float64.

    Calculated as 1 / (1 + e^(−c)·(1 − p)^b / p^a): powers instead of two logarithms and an exponential; one power where
    a = b. Scores 0 (and subnormal ones) and 1 become 0 and 1 where a, b > 0; NaN stays NaN. Scores in float32 are read
    as they are, block by block, and calculated with in float64. Expects 0 ≤ a, b ≤ ``MAX_EXPONENT`` (a = b: any size)
    and |c| ≤ ``MAX_INTERCEPT``.
    """
    flat = np.asarray(score).reshape(-1)
    out = np.empty(flat.shape)
    work = np.empty(min(_BLOCK, flat.size))
    factor = float(np.exp(-c))
    with np.errstate(divide="ignore", over="ignore", under="ignore"):  # p = 0 → 1/(1 + ∞) = 0, p = 1 → 1/(1 + 0) = 1
        for start in range(0, flat.size, _BLOCK):
            _one_block(flat[start : start + _BLOCK], a, b, factor, out[start : start + _BLOCK], work)
    return out.reshape(np.shape(score))


def _one_block(score: NDArray[np.floating], a: float, b: float, factor: float, out: Floats, work: Floats) -> None:
    p = work[: score.size]
    np.copyto(p, score)
    np.subtract(1.0, p, out=out)
    if a == b == 0:
        out *= 0.0  # 0 everywhere, but NaN stays NaN: any number, NaN too, to the power 0 is 1
        out += 1.0
    elif a == b:
        out /= p
        np.power(out, a, out=out)
    else:
        np.power(out, b, out=out)
        np.power(p, a, out=p)
        out /= p
    if factor != 1.0:
        out *= factor
    out += 1.0
    np.reciprocal(out, out=out)
