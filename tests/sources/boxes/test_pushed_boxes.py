"""Images, detections and truth that are pushed, as JSON, Parquet and Arrow, and what their receipts say."""

import io
import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from monitor.config.settings import Config, parse_config
from monitor.sources.inbox import Inbox, Receipt
from monitor.sources.pull import configured_sources, pull_sources
from monitor.sources.push_body import ARROW, JSON, PARQUET, write_rows
from monitor.sources.waitlist import Waitlist
from monitor.store.connection import open_live
from monitor.store.model_store import ModelStore
from tests.sources.boxes.detector import a_box, an_image
from tests.worlds.store import NOW

KINDS = ("images", "detections", "truth")
CONFIG = (
    '[[model]]\nname = "m"\ntask = "detection"\n'
    + "".join(f'[[model.source]]\nname = "{name}"\nkind = "http"\nholds = "{name}"\n' for name in KINDS)
    + f'[[server.token]]\nname = "t"\nrole = "write"\nhash = "sha256:{"0" * 64}"\n'
)  # fmt: skip


def _body(media: str, rows: list[dict[str, Any]]) -> bytes:
    if media == JSON:
        return json.dumps(rows).encode()
    table = pyarrow.Table.from_pylist(rows)
    held = io.BytesIO()
    if media == PARQUET:
        pyarrow.parquet.write_table(table, held)
    else:
        with pyarrow.ipc.new_stream(held, table.schema) as stream:
            stream.write_table(table)
    return held.getvalue()


class _Pushed:
    def __init__(self, base: Path) -> None:
        self.config: Config = parse_config(CONFIG, "calwatch.toml", base)
        self.model = self.config.model[0]
        self.connection = open_live(self.config.state_dir, now=NOW)
        self.count = 0

    def push(self, holds: str, *rows: dict[str, Any], media: str = JSON) -> str:
        self.count += 1
        name = f"{self.count:032d}"
        inbox = Inbox.of(self.config.state_dir, "m", holds)
        path = inbox.temporary_path(f"{name}{'.jsonl' if media == JSON else '.parquet'}")
        write_rows(media, _body(media, list(rows)), path)
        inbox.add_push(path, name, name[::-1], NOW)
        return name

    def pull(self) -> None:
        store = ModelStore.load(self.connection, self.model, NOW)
        pull_sources(store, configured_sources(self.model, self.config.base, self.config.state_dir), (), NOW)

    def receipt(self, holds: str, name: str) -> Receipt:
        found = Waitlist(Inbox.of(self.config.state_dir, "m", holds)).find_receipt(name)
        assert found is not None
        return found

    def outcomes(self) -> dict[str, int | None]:
        return dict(self.connection.execute("SELECT sample_id, positives FROM samples ORDER BY ALL").fetchall())


@pytest.mark.parametrize("media", [JSON, PARQUET, ARROW])
def test_pushed_boxes_are_matched(media: str, tmp_path: Path) -> None:
    world = _Pushed(tmp_path)
    world.push("truth", a_box("a", crowd=False), media=media)
    world.push("detections", a_box("a", score=0.9), a_box("a", x=60, score=0.8), media=media)
    world.push("images", an_image("a"), media=media)
    world.pull()
    assert world.outcomes() == {"a#cat#0": 1, "a#cat#1": 0}


def test_each_of_several_pushes_has_a_receipt_of_its_own(tmp_path: Path) -> None:
    world = _Pushed(tmp_path)
    world.push("images", an_image("a"), an_image("b"))
    first = world.push("detections", a_box("a", score=0.9), a_box("b", score=0.8), a_box("b", score=7))
    second = world.push("detections", a_box("a", score=0.9), a_box("b", score=0.5))
    truths = [world.push("truth", a_box("a"), a_box("b")), world.push("truth", a_box("a"))]
    world.pull()
    said = [world.receipt("detections", name) for name in (first, second)]
    assert [(one.state, one.rows, one.new, one.duplicates, one.corrected) for one in said] == [
        ("taken", 3, 2, 0, 0), ("taken", 2, 0, 1, 1),
    ]  # fmt: skip
    assert said[0].quarantined == {"score_outside_0_1": 1}
    labels = [world.receipt("truth", name) for name in truths]
    assert [(one.rows, one.labelled, one.duplicates) for one in labels] == [(2, 2, 0), (1, 0, 1)]
    assert world.connection.execute("SELECT score FROM samples ORDER BY sample_id").fetchall() == [(0.9,), (0.5,)]


def test_a_push_that_makes_no_sense_as_a_whole_is_refused_and_the_others_are_taken(tmp_path: Path) -> None:
    world = _Pushed(tmp_path)
    world.push("images", an_image("a"), an_image("b"))
    good = world.push("detections", a_box("b", score=0.9))
    bad = world.push("detections", *(a_box("a", score=50 + n) for n in range(30)))
    world.pull()
    assert (world.receipt("detections", good).state, world.receipt("detections", bad).state) == ("taken", "refused")
    assert 'score_unit = "percent"' in (world.receipt("detections", bad).problem or "")
    assert world.outcomes() == {"b#cat#0": None}
