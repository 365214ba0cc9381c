"""Rows as honest people have them: odd, small, badly calibrated, and what they seem all the same. Each is a table of a file."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from monitor.engine.check.check import CheckResult, check_config

NOW = datetime(2026, 11, 28, 12, 0)  # noqa: DTZ001  # as a file without offsets says it
Random = np.random.Generator


@dataclass(frozen=True)
class Table:
    """Columns of a CSV file, and what the configuration says beside its path."""

    task: str
    columns: dict[str, list[object]]
    model: str = ""
    source: str = ""


def times(count: int, step: timedelta = timedelta(minutes=7)) -> list[object]:
    return [(NOW - step * place).strftime("%Y-%m-%d %H:%M:%S.%f") for place in range(count)]


def table(task: str, score: np.ndarray, digits: int = 5, model: str = "", source: str = "", **columns: object) -> Table:
    """Rows with ids and times of their own, unless these are given."""
    count = len(score)
    own = {name: list(value) for name, value in columns.items()}  # type: ignore[call-overload]
    return Table(
        task,
        {
            "sample_id": [f"img-{place:06}.jpg" for place in range(count)], "observed_at": times(count),
            "score": [f"{value:.{digits}f}" for value in score], **own,
        },
        model, source,
    )  # fmt: skip


def changed(made: Table, **columns: Sequence[object]) -> Table:
    """The same with other columns, or more."""
    return replace(made, columns={**made.columns, **{name: list(column) for name, column in columns.items()}})


def checked(base: Path, *tables: Table) -> CheckResult:
    """What ``calwatch check`` finds in the files a.csv, b.csv …, all of one source."""
    for name, one in zip("abcdefgh", tables, strict=False):
        rows = zip(*one.columns.values(), strict=True)
        lines = [",".join(one.columns), *(",".join(map(str, row)) for row in rows)]
        (base / f"{name}.csv").write_text("\n".join(lines) + "\n", "utf-8")
    slices = '"camera"' if "camera" in tables[0].columns else ""
    (base / "calwatch.toml").write_text(
        f'[[model]]\nname = "m"\ntask = "{tables[0].task}"\nslices = [{slices}]\n{tables[0].model}\n'
        f'[[model.source]]\npath = "*.csv"\n{tables[0].source}\n',
        "utf-8",
    )
    return check_config(base / "calwatch.toml")


def outcomes(random: Random, chance: np.ndarray) -> np.ndarray:
    return (random.random(len(chance)) < chance).astype(int)


def named(
    random: Random,
    count: int,
    classes: list[str],
    score: np.ndarray,
    right: np.ndarray,
    weights: list[float] | None = None,
) -> Table:
    """Predicted classes and labels: a label is the predicted class with the chance ``right``, else another one."""
    share = np.array(weights) / sum(weights) if weights else None
    true = random.choice(len(classes), count, p=share)
    other = (true + random.integers(1, max(len(classes), 2), count)) % len(classes)
    predicted = np.where(random.random(count) < right, true, other)
    return table("multiclass", score, predicted_class=[classes[i] for i in predicted], label=[classes[i] for i in true])


def calibrated(random: Random, count: int = 600) -> Table:
    score = random.random(count)
    return table("binary", score, outcome=outcomes(random, score))


def random_scores(random: Random, count: int = 600) -> Table:
    return table("binary", random.random(count), outcome=outcomes(random, np.full(count, 0.3)))


def rare_event(random: Random, count: int = 2000) -> Table:
    score = random.beta(0.4, 30, count)
    return table("binary", score, outcome=outcomes(random, score))


def rare_event_overstated(random: Random, count: int = 60) -> Table:
    """A small first file, all negative, of raw scores that are far too high."""
    return table("binary", random.uniform(0.02, 0.2, count), outcome=np.zeros(count, int))


def over_confident(random: Random, count: int = 800) -> Table:
    """Softmax scores near 1 of a model that is right half of the time."""
    score = 1 - random.beta(1, 30, count)
    return named(random, count, ["cat", "dog", "fox"], score, np.full(count, 0.5))


def hardly_ever_right(random: Random, count: int = 800) -> Table:
    """As sure, and right in one case of five, over ten classes."""
    return named(random, count, list("abcdefghij"), 1 - random.beta(1, 20, count), np.full(count, 0.2))


def flagged_only(random: Random, count: int = 500) -> Table:
    """Only what was flagged is reviewed; the model is too sure, and ranks well."""
    score = random.uniform(0.5, 1, count)
    return table("binary", score, outcome=outcomes(random, (score - 0.45) * 1.4))


def saturated(random: Random, count: int = 600) -> Table:
    logit = random.normal(0, 12, count)
    score = 1 / (1 + np.exp(-logit))
    return table("binary", score, 4, outcome=outcomes(random, 1 / (1 + np.exp(-logit / 6))))


def rounded_to_tenths(random: Random, count: int = 600) -> Table:
    score = random.integers(0, 11, count) / 10
    return table("binary", score, 1, outcome=outcomes(random, score**2))


def numbers_as_classes(random: Random, count: int = 600) -> Table:
    score = random.uniform(0.5, 1, count)
    return named(random, count, ["0", "1"], score, score)


def worse_than_guessing(random: Random, count: int = 600) -> Table:
    """Two classes 0 and 1, and a model that is wrong in two cases of three."""
    return named(random, count, ["0", "1"], random.uniform(0.5, 0.7, count), np.full(count, 0.35))


def binary_numbers(random: Random, count: int = 600) -> Table:
    score = random.random(count)
    return table("binary", score, predicted_class=(score >= 0.5).astype(int), label=outcomes(random, score))


def hundred_classes(random: Random, count: int = 300) -> Table:
    score = random.uniform(0.3, 1, count)
    return named(random, count, [f"class {i}" for i in range(100)], score, score)


def thousand_classes(random: Random, count: int = 400) -> Table:
    score = random.uniform(0.3, 1, count)
    return named(random, count, [str(i) for i in range(1000)], score, score)


def long_tail(random: Random, count: int = 600) -> Table:
    """Rare classes, some never predicted and some never there."""
    score = random.uniform(0.4, 1, count)
    classes = ["car", "van", "bus", "tram", "bike", "cart", "horse"]
    return named(random, count, classes, score, score, [60, 25, 10, 3, 1, 0.5, 0.5])


def never_predicts_one(random: Random, count: int = 600) -> Table:
    """A class of a tenth of the labels that the model never names."""
    score = random.uniform(0.4, 1, count)
    made = named(random, count, ["ok", "scratch", "dent"], score, score, [70, 20, 10])
    predicted = ["ok" if name == "dent" else name for name in made.columns["predicted_class"]]
    return changed(made, predicted_class=predicted)


def grades(random: Random, count: int = 600) -> Table:
    """Grades 0 to 4 of a model that is often one too low."""
    true = random.integers(0, 5, count)
    step = random.choice([0, 1, -1], count, p=[0.4, 0.5, 0.1])
    predicted = np.clip(true - step, 0, 4)
    return table("multiclass", random.uniform(0.4, 0.9, count), predicted_class=predicted, label=true)


def boxes(random: Random, count: int = 3000) -> Table:
    """All boxes above 0.001: most scores are low, and most boxes are none."""
    score, moments = np.maximum(random.beta(0.15, 3, count), 0.001), times(count)
    return table("detection", score, 3, outcome=outcomes(random, score), group_id=[f"g{i // 30}" for i in range(count)],
                 observed_at=[moments[i // 30] for i in range(count)])  # fmt: skip


def tracks(random: Random, count: int = 900, every: timedelta = timedelta(milliseconds=33)) -> Table:
    """Objects followed through a film: one id, a box each frame, scores that change little."""
    place = np.arange(count)
    score = np.clip(0.8 + np.cumsum(random.normal(0, 0.002, count)), 0.05, 0.99)
    moments = [(NOW - timedelta(hours=1) * int(i // 90) + every * int(i % 90)).isoformat(" ") for i in place]
    return table(
        "detection", score, outcome=outcomes(random, score), sample_id=[f"track{i // 90}" for i in place],
        observed_at=moments,
    )  # fmt: skip


def slow_tracks(random: Random) -> Table:
    return tracks(random, every=timedelta(milliseconds=500))


def tiny(task: str, count: int) -> Callable[[Random], Table]:
    def made(random: Random) -> Table:
        if task == "multiclass":
            score = random.uniform(0.2, 1, count)
            return named(random, count, list("abcdefgh"), score, score**2)
        score = random.random(count)
        return table(task, score, outcome=outcomes(random, score**2))

    return made


def seeds(most: int) -> Iterator[Random]:
    for seed in range(most):
        yield np.random.default_rng(seed)
