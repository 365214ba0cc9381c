"""The daemon killed at several moments after it began a job: no process of it stays, those it had just begun included."""

from pathlib import Path

import pytest

from tests.worlds.daemon import gone, running
from tests.worlds.line import model_section
from tests.worlds.process import calwatch, free_port, wait_for

_COMMAND = """
[[action]]
name = "retrain"
kind = "command"
command = ["/bin/sh", "-c", "sleep 600 & echo $! $$ > started.part; mv started.part started; exec sleep 600"]
on = ["rejected"]
timeout = "1h"
"""


def _working(base: Path) -> dict[int, str]:
    """Processes, not yet gone, that work for the state directory below ``base``: number → command line."""
    found = {}
    for each in Path("/proc").iterdir():
        if each.name.isdecimal():
            try:
                words = (each / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if f"{base}/state/work" in words and not gone(int(each.name)):
                found[int(each.name)] = words
    return found


def _begun(base: Path) -> list[int]:
    path = base / "started"
    return [int(text) for text in path.read_text("utf-8").split()] if path.exists() else []


@pytest.mark.parametrize("moment", ["the refit has begun", "the delivery has begun", "the command runs"])
def test_a_kill_leaves_no_process_of_a_job_whenever_it_comes(tmp_path: Path, moment: str) -> None:
    port = free_port()
    with running(tmp_path, port, model_section(), _COMMAND) as daemon:
        daemon.wait_ready()
        assert calwatch("recalibrate", "m", cwd=tmp_path).returncode == 0  # too few samples: rejected, and told
        seen: set[int] = set()

        def come() -> bool:
            seen.update(_working(tmp_path))
            wanted = {"the refit has begun": 1, "the delivery has begun": 2}.get(moment)
            return daemon.alive() and (len(_begun(tmp_path)) == 2 if wanted is None else len(seen) >= wanted)

        wait_for(come, moment)
        daemon.process.kill()
        daemon.process.wait()
        everything = [*seen, *_begun(tmp_path)]
        assert everything
        wait_for(lambda: all(gone(number) for number in everything) and not _working(tmp_path), "all of them to end")
    assert all(gone(number) for number in _begun(tmp_path)), "and nothing began after that"
