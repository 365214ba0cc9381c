"""The captures that the README shows are read through the columns it shows beside them."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from tests.worlds.fixtures import MakeWorld
from tests.worlds.store import World

README = Path("README.md").read_text("utf-8").partition("### How files may be laid out")[2].partition("\n## ")[0]
SHOWN = re.findall(r"```json\n(.*?)\n```\n\n```toml\n *(.*?)\n```", README, re.DOTALL)


def test_three_captures_are_shown() -> None:
    assert len(SHOWN) == 3


@pytest.mark.parametrize(("capture", "columns"), SHOWN, ids=range(len(SHOWN)))
def test_a_capture_shown_in_the_readme_is_read(make_world: MakeWorld, capture: str, columns: str) -> None:
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
