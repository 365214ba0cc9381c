"""Mutants by number, driven through calwatches in processes of their own; what goes wrong is put down to its mutant."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from select import select
from time import monotonic
from typing import Any

import numpy as np

from tests.worlds.process import free_port

from .mutant import Mutant
from .parquets import mutate_parquet
from .pushes import mutate_push
from .texts import mutate_csv, mutate_json_lines, pack
from .worlds import ENCODERS, TOKEN, WORLDS, World, config_text, make_rows

PATIENCE = 120.0  # seconds for a cycle over a batch; one alone gets half of it
BATCH = 25  # mutants beside each other in a cycle
STATE = 8  # batches into one state directory
_ROWS = 12
_UNANSWERED = 3.0  # seconds
_NAMES = tuple(WORLDS)
_SEED = 11


@dataclass(frozen=True, slots=True)
class Finding:
    """What went wrong (crash, hang, failure, 500, values), with whom (None: only together)."""

    kind: str
    told: str
    numbers: tuple[int, ...]


@dataclass(slots=True)
class Tally:
    """What so many mutants did."""

    mutants: int = 0
    cycles: int = 0
    findings: list[Finding] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)  # of cycles
    peak: float = 0.0  # megabytes

    def count(self, kind: str) -> int:
        return sum(finding.kind == kind for finding in self.findings)


def world_of(number: int) -> World:
    """The model that a mutant is for: that of its state directory."""
    return WORLDS[_NAMES[number // (BATCH * STATE) % len(_NAMES)]]


def make_mutant(number: int) -> Mutant:
    """The mutant of that number: always the same."""
    rng = np.random.default_rng([_SEED, number])
    world, name = world_of(number), f"m{number:06}x{number * 2_654_435_761 % 2**32:08x}"
    # no flipped bit turns its ids into those of another
    rows = make_rows(world, rng, name, _ROWS)
    kind = rng.random()
    if kind < 0.3:
        mutant = mutate_parquet(rng, world, name, rows)
    elif kind < 0.55:
        mutant = mutate_csv(rng, world, name, rows)
    elif kind < 0.8:
        mutant = mutate_json_lines(rng, world, name, rows)
    else:
        return mutate_push(rng, world, name, rows)
    return pack(rng, mutant) if rng.random() < 0.12 and not mutant.name.endswith("parquet") else mutant


class DiedError(Exception):
    """The process has ended, or does not answer."""


class Herd:
    """One state directory, and the process over it."""

    def __init__(self, base: Path, world: World) -> None:
        self.base, self.world, self.minute, self.batches = base, world, 0, 0
        self.accepted: list[tuple[str, str]] = []  # name and id of pushes
        (base / "in").mkdir(parents=True)
        self.port = free_port()
        (base / "calwatch.toml").write_text(config_text(world, self.port), "utf-8")
        self._start()

    def _start(self) -> None:
        command = [sys.executable, "-m", "tests.mutants.child", str(self.base)]
        self.log = (self.base / "log.txt").open("ab")
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, cwd=Path(__file__).parents[2],
            start_new_session=True,
        )  # fmt: skip
        self._left = b""

    def end(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.log):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        shutil.rmtree(self.base, ignore_errors=True)

    def ask(self, command: str, asked: object, patience: float) -> dict[str, Any]:
        """What the process answers. Raises DiedError when it ends, or says nothing for so long."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps([command, asked]).encode() + b"\n")
            self.process.stdin.flush()
        except OSError:
            raise DiedError(f"crash: ended with {self.process.wait()}") from None
        deadline = monotonic() + patience
        while b"\n" not in self._left:
            ready, _, _ = select([self.process.stdout], [], [], max(deadline - monotonic(), 0))
            if not ready:
                raise DiedError(f"hang: no answer within {patience:.0f} s")
            part = os.read(self.process.stdout.fileno(), 1 << 16)
            if not part:
                raise DiedError(f"crash: ended with {self.process.wait()}: {self._last_words()}")
            self._left += part
        line, _, self._left = self._left.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _last_words(self) -> str:
        lines = (self.base / "log.txt").read_text("utf-8", "replace").strip().splitlines()
        return lines[-1][:300] if lines else ""

    def send(self, mutant: Mutant) -> str:
        """A request as it is; what is wrong with the answer, or "". What was accepted is noted in ``accepted``."""
        try:
            answer = self._exchange(mutant.content)
        except ConnectionError:
            return ""  # refused before it was read to its end
        except TimeoutError:
            return "hang: no answer to a push within 30 s"
        status = answer.split(b" ", 2)[1:2]
        if status == [b"202"]:
            self.accepted.append((mutant.name, json.loads(answer.partition(b"\r\n\r\n")[2])["id"]))
        if status and status[0][:1] == b"5" and status[0] not in (b"503", b"507", b"501", b"505"):
            return f"500: {answer[:60]!r} {answer.partition(bytes([13, 10] * 2))[2][:300]!r}"
        return ""

    def unsettled(self) -> list[str]:
        """Accepted pushes that were neither taken nor refused, or whose counts do not add up."""
        found = []
        for name, push in self.accepted:
            head = f"GET /api/v1/models/m/samples/{push} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
            answer = self._exchange(f"{head}Authorization: Bearer {TOKEN}\r\n\r\n".encode())
            body = answer.partition(b"\r\n\r\n")[2]
            if not answer.startswith(b"HTTP/1.1 200") or not body:
                found.append(f"500: {name}: its receipt is answered by {answer[:300]!r}")
                continue
            receipt = json.loads(body)
            if receipt.get("state") not in ("taken", "refused"):
                found.append(f"values: {name}: its push is {receipt}")
            elif receipt["rows"]:
                told = sum(receipt[key] for key in ("new", "duplicates", "corrected", "labelled"))
                if told + sum(receipt["quarantined"].values()) < receipt["rows"]:
                    found.append(f"values: {name}: rows without a fate: {receipt}")
        self.accepted.clear()
        return found

    def _exchange(self, request: bytes) -> bytes:
        answer = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(request)
            if not select([connection], [], [], _UNANSWERED)[0]:
                connection.shutdown(socket.SHUT_WR)  # a body that never comes to the length it announces
            while part := connection.recv(65536):
                answer += part
        return answer


def run_batch(herd: Herd, numbers: Sequence[int], tally: Tally | None, patience: float = PATIENCE) -> list[str]:
    """Mutants beside honest files through a cycle, a second one, and the checks; what was wrong, kind first."""
    for path in (herd.base / "in").iterdir():
        path.unlink()
    herd.batches += 1
    rng = np.random.default_rng([_SEED, numbers[0], len(numbers), 1])
    mutants, wrong = [make_mutant(number) for number in numbers], list[str]()
    honest: list[list[Any]] = []
    for ending, encode in ENCODERS.items():
        if ending == "csv" and herd.world.name == "mapped":
            continue
        rows = make_rows(herd.world, rng, f"honest-{numbers[0]}-{ending}", 10)
        honest += [herd.world.identify(row) for row in rows]
        (herd.base / "in" / f"honest-{numbers[0]}.{ending}").write_bytes(encode(rows))
    for mutant in mutants:
        if mutant.pushed:
            wrong += [said for said in [herd.send(mutant)] if said]
        else:
            (herd.base / "in" / mutant.name).write_bytes(mutant.content)
    told = [
        [mutant.name, mutant.rows, mutant.known, mutant.name.partition(".")[0]]
        for mutant in mutants
        if not mutant.pushed and mutant.rows is not None and mutant.known is not None
    ]
    failed = []
    for _ in range(2):
        herd.minute += 1
        answer = herd.ask("tick", herd.minute, patience)
        failed.append(answer["failed"] or answer["snapshot"])
        if tally is not None:
            tally.cycles += 1
            tally.seconds.append(answer["seconds"])
            tally.peak = max(tally.peak, answer["peak"])
    if all(failed):
        wrong.append(f"failure: {failed[-1]}")
    elif failed[0]:
        wrong.append(f"failed once: {failed[0]}")
    checked = herd.ask("check", {"honest": honest, "told": told}, patience)
    return wrong + herd.unsettled() + [f"values: {said}" for said in checked["broken"]]


def drive(room: Path, first: int, count: int, tally: Tally, told: Any = None) -> None:
    """Mutants first … first + count − 1. A batch that goes wrong is taken apart, in states of their own."""
    herd: Herd | None = None
    at = first
    try:
        while at < first + count:
            numbers = range(at, min(at - at % BATCH + BATCH, first + count))
            if herd is None or herd.batches >= STATE or herd.world is not world_of(at):
                if herd is not None:
                    herd.end()
                herd = Herd(room / f"state-{at}", world_of(at))
            try:
                wrong = run_batch(herd, numbers, tally)
            except DiedError as error:
                wrong = [str(error)]
            tally.mutants += len(numbers)
            if wrong:
                herd.end()
                herd = None
                found = blame(room, numbers, wrong)
                tally.findings += found
                if told is not None:
                    for finding in found:
                        told(finding)
            at = numbers[-1] + 1
    finally:
        if herd is not None:
            herd.end()


def blame(room: Path, numbers: Sequence[int], wrong: Sequence[str]) -> list[Finding]:
    """Which of the mutants does it alone: those that a file's name tells, else by halves."""
    if all(said.startswith("values: m") for said in wrong):
        return [_finding(said, (int(said[9:15]),)) for said in wrong]
    if len(numbers) == 1:
        return [_finding(said, tuple(numbers)) for said in wrong]
    found = []
    for half in (numbers[: len(numbers) // 2], numbers[len(numbers) // 2 :]):
        herd = Herd(room / f"part-{half[0]}-{len(half)}", world_of(half[0]))
        try:
            own = run_batch(herd, half, None)
        except DiedError as error:
            own = [str(error)]
        finally:
            herd.end()
        found += blame(room, half, own) if own else []
    return found or [_finding(said, tuple(numbers)) for said in wrong]


def _finding(said: str, numbers: tuple[int, ...]) -> Finding:
    kind, _, told = said.partition(": ")
    return Finding(kind, told, numbers)
