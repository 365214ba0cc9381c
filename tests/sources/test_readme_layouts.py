"""The captures that the documents show are read through the columns shown beside them."""

import json
import re
import subprocess
import sys
import tomllib

import pytest

from tests.documents import find_blocks, read_chapter
from tests.worlds.fixtures import MakeWorld
from tests.worlds.store import World

CHAPTER = read_chapter("sources", "## How files may be laid out")
SHOWN = re.findall(r"```json\n(.*?)\n```\n\n```toml\n *(.*?)\n```", CHAPTER, re.DOTALL)


def test_three_captures_are_shown() -> None:
    assert len(SHOWN) == 3


@pytest.mark.parametrize(("capture", "columns"), SHOWN, ids=range(len(SHOWN)))
def test_a_capture_that_is_shown_is_read(make_world: MakeWorld, capture: str, columns: str) -> None:
    mapped = tomllib.loads(columns)["columns"]
    assert "\n" not in capture, "one object a line"
    at_our_time = capture.replace("2026-11-29", "2026-03-09")
    source = '[[model.source]]\npath = "in/*"\ncolumns = { ' + ", ".join(
        f'{key} = "{own}"' for key, own in mapped.items()
    )
    world: World = make_world(source=source + " }\n", slices=())
    (world.base / "in" / "a.jsonl").write_text(at_our_time + "\n")
    brought = world.take()
    assert (brought.new, brought.problems) == (1, [])
    (sample_id, score) = world.one("SELECT sample_id, score FROM samples")
    assert json.dumps(sample_id) in capture
    assert str(score) in capture


def test_a_softmax_of_ten_columns_is_read_once_it_is_put_into_form_as_shown(make_world: MakeWorld) -> None:
    (code,) = find_blocks("python", read_chapter("sources", "### A column for each class"))
    source = '[[model.source]]\npath = "samples/*.parquet"\ncolumns = { logits = "probabilities" }\n'
    world: World = make_world('task = "multiclass"', source, slices=())
    (world.base / "samples").mkdir()
    likely = ",".join("0.55" if place == 7 else "0.05" for place in range(10))
    (world.base / "softmax.csv").write_text(
        "sample_id,observed_at,label," + ",".join(f"p{place}" for place in range(10)) + "\n"
        + "".join(f"x{row},2026-03-09 12:00:00,{7 - row},{likely}\n" for row in range(2))
    )  # fmt: skip
    subprocess.run([sys.executable, "-c", code], cwd=world.base, check=True)
    brought = world.take()
    assert (brought.new, brought.quarantined) == (2, {})
    found = world.connection.execute(
        "SELECT score, predicted_class, positives FROM samples ORDER BY sample_id"
    ).fetchall()
    assert found == [(0.55, "7", 1), (0.55, "7", 0)]
