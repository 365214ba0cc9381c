"""The examples of the chapter on the API, word for word, against a server."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.engine.http import HttpServer
from monitor.publish.web.app import create_app
from tests.documents import read_chapter
from tests.worlds.api import TOKENS, World, api_world
from tests.worlds.process import free_port

CHAPTER = read_chapter("publish", "## HTTP API and access")
MODEL = """
[[model]]
name = "defects"
task = "binary"
slices = ["camera", "lighting"]
windows = ["24h"]
rules = []
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, str]]:
    """The chapter's own source section, served; and its address."""
    sections = re.findall(r"^\[\[model\.source\]\]\n(?:.+\n)+", CHAPTER, re.MULTILINE)
    assert len(sections) == 1
    with api_world(tmp_path_factory.mktemp("readme"), MODEL + sections[0]) as world:
        world.tick()
        address = f"127.0.0.1:{free_port()}"
        app = create_app(world, now=lambda: world.now, access=world.levers.access, control=world.levers)
        server = HttpServer(app, address)
        yield world, address
        server.stop()


def run(command: list[str], room: Path) -> str:
    environment = {**os.environ, "TOKEN": TOKENS["write"]}
    done = subprocess.run(command, cwd=room, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_python_example_pushes_a_row(served: tuple[World, str], tmp_path: Path) -> None:
    world, address = served
    (code,) = re.findall(r"```python\n(.*?)```", CHAPTER, re.DOTALL)
    assert len(code.splitlines()) <= 12
    said = run([sys.executable, "-c", code.replace("127.0.0.1:9464", address)], tmp_path)
    assert re.fullmatch(r"202 [0-9a-f]{32}\n", said)
    world.tick()
    assert world.connection.execute("SELECT sample_id, score FROM samples").fetchall() == [("a1", 0.83)]


@pytest.mark.skipif(shutil.which("curl") is None, reason="NOT TESTED: curl (Debian: apt install curl)")
def test_the_curl_examples_are_answered(served: tuple[World, str], tmp_path: Path) -> None:
    _, address = served
    (tmp_path / "rows.json").write_text('[{"sample_id": "a2", "observed_at": "2026-03-01T06:00:00Z", "score": 0.5}]')
    commands = re.findall(r"^curl (?:.*\\\n)*.*$", CHAPTER, re.MULTILINE)
    assert len(commands) == 2
    read, pushed = (run(["sh", "-c", command.replace("127.0.0.1:9464", address)], tmp_path) for command in commands)
    assert '"items":[]' in read
    assert '"state":"waiting"' in pushed
