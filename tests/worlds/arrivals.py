"""Rows that come by push, in a growing file, or on a simulated clock: the same rows in other ways."""

import json
from datetime import datetime, timedelta

from monitor.config.tokens import hash_of
from monitor.sources.inbox import Inbox
from monitor.sources.pull import configured_sources, file_sources
from monitor.sources.pulled import Pulled
from monitor.sources.replay.source import ReplaySource
from tests.worlds.store import HOUR, NOW, Row, World

PUSHED = (
    '[[model.source]]\nname = "pushed"\nkind = "http"\n'
    f'[[server.token]]\nname = "line"\nrole = "write"\nhash = "{hash_of("a token of the tests")}"\n'
)


def push(world: World, *rows: Row, source: str = "pushed", now: datetime = NOW) -> None:
    """Leave the rows as one push in the inbox of the model's source."""
    box = Inbox.of(world.base / "state", world.model.name, source)
    written = box.temporary_path(f"{world.written}.jsonl")
    written.write_text("".join(json.dumps(row) + "\n" for row in rows))
    box.add_push(written, f"{world.written:032x}", "d" * 32, now)
    world.written += 1


def take_pushed(world: World, now: datetime = NOW) -> Pulled:
    """Pull whatever waits, of files too; what all sources brought together."""
    total = Pulled()
    for brought in world.pull(now, sources=configured_sources(world.model, world.base, world.base / "state")).values():
        total.add_counts(brought)
    return total


def in_inbox(world: World, folder: str = "") -> int:
    """Pushes that wait, or those kept in ``refused``."""
    directory = Inbox.of(world.base / "state", world.model.name, "pushed").directory / folder
    return sum(path.is_file() for path in directory.glob("*")) if directory.exists() else 0


def play(world: World, began: datetime, ended: datetime = NOW, step: timedelta = HOUR) -> list[Pulled]:
    """The files of the world on a simulated clock: what each step brought."""
    world.connection.execute("ATTACH ':memory:' AS replay")
    sources = [
        ReplaySource(source, f"m/{source.name}", world.model) for source in file_sources(world.model, world.base)
    ]
    brought = []
    moment = began
    while moment <= ended:
        total = Pulled()
        for each in world.pull(moment, sources=sources).values():
            total.add_counts(each)
        brought.append(total)
        moment += step
    return brought
