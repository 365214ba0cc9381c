"""As many images as there really are: none is seen twice, and the calibrator has seen other ones."""

from collections.abc import Callable, Iterator

import numpy as np

from monitor.statistics.arrays import Ints
from monitor.statistics.drift.bets import Tolerance
from monitor.statistics.drift.groups import GroupSums
from tests.benchmarks.groups.images import Images, Links, load_nuclei
from tests.benchmarks.groups.play import detector_bins, play

QUIET, HAZED, ORDERS = 100, 65, 20


def play_without_replacement(splits: int, fit: Callable[[Images], Links]) -> Iterator[str]:
    """Fit on 100 images, then the other 100 quiet, then 65 hazed; in 20 orders each. c = 1460."""
    same, haze = load_nuclei("same_microscope"), load_nuclei("hazed")
    for size in (1.1, 1.3):
        quiet, delays = 0, []
        for seed in range(splits):
            rng = np.random.default_rng(seed)
            order = rng.permutation(200)
            link = fit(same.subset(order[:100]))
            parts = [same.subset(order[100:]).map_scores(link), haze.map_scores(link)]
            orders = [np.stack([rng.permutation(n) for _ in range(ORDERS)]) for n in (QUIET, HAZED)]
            played = play(_draw(parts, orders), ORDERS, QUIET + HAZED, 1460, Tolerance("odds", size), seed)
            quiet += int((played.alarms[:, :QUIET].sum(axis=1) > 0).sum())
            delays.append(played.delays(QUIET))
        low, middle, high = np.quantile(np.concatenate(delays), (0.1, 0.5, 0.9), method="inverted_cdf")
        yield (
            f"nuclei without replacement, odds {size}: quiet {quiet} of {splits * ORDERS}; delay 10/50/90 % {low:.0f}/"
            f"{middle:.0f}/{high:.0f}"
        )


def _draw(parts: list[Images], orders: list[Ints]) -> Callable[[np.random.Generator, int, int, int], GroupSums]:
    bins = [detector_bins(part) for part in parts]

    def draw(rng: np.random.Generator, streams: int, first: int, count: int) -> GroupSums:
        found = []
        for which, (source, order, start) in enumerate(zip(parts, orders, (0, QUIET), strict=True)):
            since, until = max(first - start, 0), min(first + count - start, order.shape[1])
            if since >= until:
                continue
            wanted = order[:, since:until]
            place, row = source.pick(wanted.ravel())
            stream, position = place // wanted.shape[1], place % wanted.shape[1] + since + start - first
            n = source.n[row]
            found.append(
                (stream, position, 0 * stream, bins[which][row], n, source.score[row] * n, source.outcome[row])
            )
        return GroupSums.of(*(np.concatenate(column) for column in zip(*found, strict=True)))

    return draw
