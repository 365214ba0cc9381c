"""Fifty pushes a second for a minute into a daemon whose cycle and limits are the defaults: is each taken, is nothing lost,
how long does a client wait?"""

import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter, sleep

import duckdb

from monitor.config.tokens import hash_of, new_token
from monitor.store.connection import LIVE
from tests.worlds.process import Running, free_port, wait_for

from .figures import Figure
from .scale import Scale

_A_SECOND = 50
_ROWS = 20  # of each push
_HANDS = 32  # connections kept open
_CONFIG = """
[monitor]
state_dir = "state"
listen = "127.0.0.1:{port}"
{cycle}
[[model]]
name = "line"
task = "binary"
slices = ["camera", "lighting"]
source = {{ name = "pushed", kind = "http" }}
[[server.token]]
name = "line"
role = "write"
hash = "{hash}"
"""


def measure(scale: Scale, room: Path) -> list[Figure]:
    """AssertionError when a push is refused or a row is missing at the end."""
    pushes = _A_SECOND * (60 if scale.cycles > 2 else 1)
    token, port = new_token(), free_port()
    path = room / "calwatch.toml"
    path.write_text(
        _CONFIG.format(port=port, hash=hash_of(token), cycle="" if scale.cycles > 2 else 'cycle = "5s"'), "utf-8"
    )
    with Running(port, room / "log.txt", "run", "--config", path) as daemon:
        daemon.wait_ready()
        statuses, waited, late = _push(port, token, pushes)
        inbox = room / "state" / "inbox"
        began = perf_counter()
        wait_for(lambda: daemon.alive() and not list(inbox.glob("*/*/*-*-*.jsonl")), "all pushes to be taken", 600)
        taken = perf_counter() - began
        daemon.stop(patience=120)
    refused = sum(status != 202 for status in statuses)
    assert not refused, f"{refused} of {pushes} pushes were not answered 202: {set(statuses)}"
    with duckdb.connect(str(room / "state" / LIVE), read_only=True) as connection:
        found = connection.execute("SELECT count(*), count(DISTINCT sample_id) FROM samples").fetchone()
    assert found == (pushes * _ROWS, pushes * _ROWS), f"{pushes * _ROWS:,} rows were pushed, there are {found}"
    waited.sort()
    return [
        Figure(f"{_A_SECOND} pushes a second, {pushes:,} in all: half wait", 1000 * waited[len(waited) // 2], "ms", None,
               f"all 202, {found[0]:,} rows, none lost"),
        Figure("  99 of 100", 1000 * waited[len(waited) * 99 // 100], "ms", 1000),
        Figure("  the longest", 1000 * waited[-1], "ms"),
        Figure("  behind the times they were due, at most", late, "s", None, "of the benchmark's own hands"),
        Figure("  until all were taken, after the last", taken, "s"),
    ]  # fmt: skip


def _push(port: int, token: str, pushes: int) -> tuple[list[int], list[float], float]:
    """Each push's status and seconds, and how late the latest was sent."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    now = datetime.now(UTC)
    began = perf_counter()

    def push_share(hand: int) -> list[tuple[int, float, float]]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        done = []
        for number in range(hand, pushes, _HANDS):
            body = json.dumps(_rows(number, now))
            sleep(max(0.0, began + number / _A_SECOND - perf_counter()))
            sent = perf_counter()
            connection.request("POST", "/api/v1/models/line/samples", body, headers)
            answer = connection.getresponse()
            answer.read()
            done.append((answer.status, perf_counter() - sent, sent - began - number / _A_SECOND))
        connection.close()
        return done

    with ThreadPoolExecutor(_HANDS) as hands:
        done = [each for share in hands.map(push_share, range(_HANDS)) for each in share]
    return [each[0] for each in done], [each[1] for each in done], max(each[2] for each in done)


def _rows(number: int, now: datetime) -> list[dict[str, object]]:
    return [
        {
            "sample_id": f"p{number}-{row}", "observed_at": (now - timedelta(hours=1, seconds=number)).isoformat(),
            "labelled_at": (now - timedelta(minutes=1)).isoformat(), "score": (number * 7 + row * 3) % 100 / 100,
            "outcome": (number + row) % 2, "camera": f"c{row % 4}", "lighting": f"l{number % 3}",
        }
        for row in range(_ROWS)
    ]  # fmt: skip
