"""What parts a batch of small pushes leaves what they would leave one by one, receipts too."""

from datetime import timedelta

import numpy as np
import pytest

from tests.worlds.arrivals import PUSHED, push
from tests.worlds.fixtures import MakeWorld
from tests.worlds.store import HOUR, NOW, World, a_row
from tests.worlds.together import FILES, compare, some_rows, vector


@pytest.mark.parametrize("seed", range(4))
def test_pushes_that_correct_each_other(make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    def files(world: World, number: int) -> None:
        rng = np.random.default_rng([seed, number])
        for place in range(2 * FILES):
            rows = some_rows(rng, ids=[40, 5][seed % 2])
            if rng.random() < 0.2:
                rows[0]["score"] = 7.0
            push(world, *rows, now=NOW - HOUR + timedelta(seconds=100 * number + place))

    compare(make_world, monkeypatch, files, source=PUSHED)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["one-sided", "signs", "logits", "fractions"])
def test_pushes_that_correct_others_are_judged_in_their_order(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch, kind: str, seed: int
) -> None:
    def files(world: World, number: int) -> None:
        rng = np.random.default_rng([seed, number])
        turn = int(rng.integers(1, 6))
        for place in range(FILES):
            # every push has rows of its own, and some correct a row that all have
            rows = [a_row(f"p{number}-{place}-{index}", camera="c1") for index in range(9)]
            if rng.random() < 0.5 or place == turn:
                rows.append(a_row("all", score=0.5 + place / 100))
            for row in rows:
                if kind == "one-sided":
                    row["predicted_class"] = str(rng.choice(["cat", "dog"]))
                    row["score"] = max(row["score"], 0.5) if place != turn else 0.25
                elif kind == "signs":
                    row["outcome"] = -1 if place > turn or (place == 0 and seed) else 1
                elif kind == "logits":
                    row["logits"] = vector("logits" if place < turn else "probabilities", rng)
                elif row["sample_id"] != "all":
                    fraction = "" if place < turn else f".{rng.integers(1, 9)}"
                    row.update(sample_id=f"near{rng.integers(0, 9)}", observed_at=f"2026-03-10 10:00:00{fraction}")
            push(world, *rows, now=NOW - HOUR + timedelta(seconds=100 * number + place))

    compare(make_world, monkeypatch, files, pulls=1 + seed % 2, source=PUSHED, extra='positive = "cat"\n')
