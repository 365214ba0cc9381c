"""Geometry of a reliability diagram: bins of a reading → bars, whiskers and counts in SVG units."""

from dataclasses import dataclass

from monitor.model import Reading, ReliabilityBin

WIDTH, HEIGHT = 340, 330
LEFT, TOP, SIDE = 44, 10, 230  # the square in which score and rate run from 0 to 1
COUNTS_TOP, COUNTS_HEIGHT = 262, 30


@dataclass(frozen=True, slots=True)
class Bar:
    """One bin. ``off``: its 95 % interval leaves out the mean score, as one in twenty does by luck."""

    x: float
    width: float
    y: float  # of the outcome rate
    height: float
    middle: float  # x of the mean score
    whisker_top: float
    whisker_bottom: float
    count_y: float
    count_height: float
    off: bool
    bin: ReliabilityBin


@dataclass(frozen=True, slots=True)
class Diagram:
    reading: Reading
    bars: tuple[Bar, ...]

    @property
    def most(self) -> float:
        """Samples in the fullest bin: the height of the counts' axis."""
        return max((bar.bin.samples for bar in self.bars), default=0.0)

    @property
    def summary(self) -> str:
        """The picture in a sentence, for those who do not see it."""
        off = sum(bar.off for bar in self.bars)
        return f"{off} of {len(self.bars)} bins have an interval that misses the diagonal; by luck, one in twenty has"


def diagram(reading: Reading) -> Diagram:
    """Bins without samples, or with an unknown rate, are left out."""
    most = max((each.samples for each in reading.reliability), default=0.0)
    bars = (_bar(each, most) for each in reading.reliability)
    return Diagram(reading, tuple(bar for bar in bars if bar is not None))


def _across(score: float) -> float:
    return round(LEFT + score * SIDE, 1)


def _up(rate: float) -> float:
    return round(TOP + (1 - rate) * SIDE, 1)


def _bar(each: ReliabilityBin, most: float) -> Bar | None:
    if each.samples <= 0 or each.mean_score is None or each.outcome_rate is None:
        return None
    lower = each.outcome_rate if each.rate_lower is None else each.rate_lower
    upper = each.outcome_rate if each.rate_upper is None else each.rate_upper
    count = max(round(COUNTS_HEIGHT * each.samples / most, 1), 0.5)  # one sample among millions stays visible
    return Bar(
        x=_across(each.low) + 0.5,
        width=round((each.high - each.low) * SIDE - 1, 1),
        y=_up(each.outcome_rate),
        height=round(each.outcome_rate * SIDE, 1),
        middle=_across(each.mean_score),
        whisker_top=_up(upper),
        whisker_bottom=_up(lower),
        count_y=COUNTS_TOP + COUNTS_HEIGHT - count,
        count_height=count,
        off=each.rate_lower is not None and each.rate_upper is not None and not lower <= each.mean_score <= upper,
        bin=each,
    )
