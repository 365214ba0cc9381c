"""Files as people and their tools write them: a calibrated model's rows, made up, under other names."""

import csv
import gzip
import io
import json
import random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

START = datetime(2026, 11, 1)  # noqa: DTZ001  # people write times without a zone

Rows = list[dict[str, object]]


def times(count: int) -> list[datetime]:
    return [START + timedelta(minutes=7 * number) for number in range(count)]


def binary(count: int = 300, seed: int = 1) -> list[tuple[float, int]]:
    """(probability of the positive class, whether it was)."""
    rng = random.Random(seed)
    scores = [round(rng.random(), 4) for _ in range(count)]
    return [(score, int(rng.random() < score)) for score in scores]


def top_label(classes: Sequence[str], count: int = 300, seed: int = 2) -> list[tuple[float, str, str]]:
    """(score of the predicted class, predicted class, label)."""
    rng = random.Random(seed)
    found = []
    for _ in range(count):
        score = round(0.5 + rng.random() / 2, 4)
        predicted = rng.choice(list(classes))
        others = [name for name in classes if name != predicted]
        found.append((score, predicted, predicted if rng.random() < score else rng.choice(others)))
    return found


def csv_file(path: Path, rows: Sequence[Mapping[str, object]], delimiter: str = ",") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    written = io.StringIO(newline="")
    writer = csv.DictWriter(written, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    packed = written.getvalue().encode()
    path.write_bytes(gzip.compress(packed) if path.suffix == ".gz" else packed)
    return path


def json_file(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(f"{json.dumps(row, default=str)}\n" for row in rows)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text, "utf-8")
    return path
