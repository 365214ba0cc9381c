"""What a table is understood as, and tables that several tests ask about."""

import random

from monitor.cli.guess.columns import table_of
from monitor.cli.guess.found import Meaning
from monitor.cli.guess.meaning import guess_meaning
from tests.cli.guess.people import Rows, binary, times


def meaning_of(rows: Rows) -> Meaning:
    return guess_meaning(table_of([{name: _written(value) for name, value in row.items()} for row in rows]))


def _written(value: object) -> object:
    return value if value is None or isinstance(value, str | int | float | bool | list | dict) else str(value)


def columns(meaning: Meaning) -> dict[str, str]:
    return {role: column.name for role, column in meaning.roles.columns.items()}


def settings(meaning: Meaning) -> dict[str, object]:
    return {guess.key: guess.value for guess in (*meaning.model, *meaning.source)}


def nannyml() -> Rows:
    return [
        {"id": f"x{n}", "timestamp": at, "site": f"s{n % 3}", "y_pred_proba": p, "y_pred": int(p > 0.5), "y_true": y}
        for n, (at, (p, y)) in enumerate(zip(times(300), binary(), strict=True))
    ]


def tutorial() -> Rows:
    rng = random.Random(7)
    return [
        {"id": n, "time": at, "camera": f"c{n % 3}", "confidence": (p := round(rng.uniform(0.5, 1), 4)),
         "correct": int(rng.random() < p)}
        for n, at in enumerate(times(300))
    ]  # fmt: skip


def inspection() -> Rows:
    return [
        {"Part No.": f"P-{n:05}", "Inspected": at, "Confidence": p, "Verdict": "NG" if y else "OK",
         "Lighting": ("dome", "ring")[n % 2]}
        for n, (at, (p, y)) in enumerate(zip(times(300), binary(), strict=True))
    ]  # fmt: skip


def unlabelled() -> Rows:
    return [{"id": n, "time": at, "score": p} for n, (at, (p, _)) in enumerate(zip(times(300), binary(), strict=True))]
