"""Where a rising function is 0."""

from collections.abc import Callable

_STEPS = 200
_LAST_STEP = 1e-6  # Newton's error after it is its square


def find_root(function: Callable[[float], tuple[float, float]], start: float, low: float, high: float) -> float:
    """Where a rising function (value, derivative) is 0, or the bound beyond which it would be: Newton, else bisection."""
    bounds = (low, high)
    unseen = set(bounds)
    at = min(max(start, low), high)
    for _ in range(_STEPS):
        value, rise = function(at)
        unseen.discard(at)
        if value == 0 or (value > 0 and at == bounds[0]) or (value < 0 and at == bounds[1]):
            return at
        low, high = (low, at) if value > 0 else (at, high)
        new = at - value / rise if rise > 0 else float("nan")
        if not low < new < high:  # the bound itself first, if nobody has looked there
            toward = low if value > 0 else high
            new = toward if toward in unseen else (low + high) / 2
        if abs(new - at) < _LAST_STEP:
            return new
        at = new
    return at
