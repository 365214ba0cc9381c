"""The gate over simulated nights: how often it promotes when nothing changed, how soon after a drift, and what harm it does.

Each night brings labelled samples, logit p ~ N(0.5, 1.5²); a refit takes the last nights and is judged by the gate as in
production, and what is promoted serves from the next night on. Harm is the true mean log-loss that a promotion adds,
known exactly because the truth is. The errors given are Monte Carlo standard errors.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from scipy.special import expit, logit

from monitor.config.settings import Model, parse_config
from monitor.model import Slice
from monitor.model.samples import Samples
from monitor.recalibration.calibrators import Calibrator, Identity
from monitor.recalibration.refit import RefitInputs, run_refit

from .figures import Figure
from .scale import Scale

_START = datetime(2026, 1, 1, tzinfo=UTC)
_SLICES = tuple(Slice.of({"camera": f"c{index}"}) for index in range(4))
_GRID = expit(np.random.default_rng(0).normal(0.5, 1.5, 20_000))  # scores over which true losses are averaged
PER_NIGHT, NIGHTS_BACK = 2_000, 3


@dataclass(frozen=True, slots=True)
class Night:
    """What one refit did: whether it was promoted, and the true log-loss it added (below 0: took away)."""

    promoted: bool
    harm: float


def measure(scale: Scale, room: Path) -> list[Figure]:
    runs = max(scale.repeats * scale.cycles, 2)  # full: 27 runs of 40 nights
    quiet = [night for run in range(runs) for night in nights(np.random.default_rng([1, run]), 40, 1.0)]
    share = float(np.mean([night.promoted for night in quiet]))
    soon = [any(n.promoted for n in nights(np.random.default_rng([2, run]), 3, 1.5)) for run in range(4 * runs)]
    found = float(np.mean(soon))
    harm = max((night.harm for night in quiet if night.promoted), default=0.0)
    return [
        Figure("promoted refits when nothing changed", 100 * share, "%", 5, _error(share, len(quiet))),
        Figure(
            "runs not promoted within 3 nights of temperature 1.5", 100 * (1 - found), "%", 5, _error(found, len(soon))
        ),
        Figure(
            "  most true log-loss that a promotion added", harm, "nats", 0.005, f"of {sum(n.promoted for n in quiet)}"
        ),
    ]


def nights(rng: np.random.Generator, count: int, temperature: float, per_night: int = PER_NIGHT) -> list[Night]:
    """The refits of ``count`` nights, each on the last three nights there are; the truth is that temperature throughout."""
    model = _model()
    held: list[tuple[np.ndarray, np.ndarray]] = []
    serving: dict[Slice, tuple[str, Calibrator]] = {}
    found = []
    for night in range(count):
        score = expit(rng.normal(0.5, 1.5, per_night))
        held.append((score, (rng.random(per_night) < expit(logit(score) / temperature)).astype(np.float64)))
        recent = held[-NIGHTS_BACK:]
        n = per_night * len(recent)
        samples = Samples(
            score=np.concatenate([part[0] for part in recent]), outcome=np.concatenate([part[1] for part in recent]),
            logits=None, label_index=None, group=None, observed_at=np.arange(n, dtype=np.float64),
            slice_index=np.arange(n, dtype=np.int64) % len(_SLICES),
        )  # fmt: skip
        now = _START + timedelta(days=night)
        decided = run_refit(
            RefitInputs(model, Slice(), samples, _SLICES, serving, now, ()), calwatch_version="benchmark"
        )
        if not decided.accepted or decided.artefact is None:
            found.append(Night(False, 0.0))
            continue
        before = serving.get(Slice(), ("", Identity()))[1]
        after = decided.artefact.calibrator
        found.append(Night(True, true_loss(after, temperature) - true_loss(before, temperature)))
        serving = {Slice(): (decided.artefact.id, after)}
    return found


def true_loss(calibrator: Calibrator, temperature: float) -> float:
    """The mean log-loss that a calibrator has on the truth."""
    shown, truth = calibrator.apply(_GRID), expit(logit(_GRID) / temperature)
    return float(-np.mean(truth * np.log(shown) + (1 - truth) * np.log1p(-shown)))


def _model() -> Model:
    text = (
        '[[model]]\nname = "m"\ntask = "binary"\nslices = ["camera"]\n[[model.source]]\npath = "in/*"\n'
        "[model.recalibration]\n"
    )
    return parse_config(text, "calwatch.toml", Path()).model[0]


def _error(share: float, count: int) -> str:
    return f"± {100 * np.sqrt(max(share * (1 - share), 1 / count) / count):.1f}, {count:,} nights or runs"
