"""Commands: a program with its arguments, no shell, the payload on stdin; killed with all its children when too slow."""

import os
import selectors
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import perf_counter
from types import FrameType
from typing import IO

from monitor.config.secrets import is_reference, mask_secrets
from monitor.jobs.actions.delivery import OUTPUT_KEPT, Delivery, DeliveryResult

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
GRACE = 5.0  # seconds between SIGTERM and SIGKILL
_LOOK_EVERY = 0.05  # seconds
_put_off: list[int] = []  # depth of places that must not be left halfway, and the signals that came meanwhile


def leave_process(number: int, frame: FrameType | None) -> None:
    """For SIGTERM and SIGALRM: leave the process through the clearing away of what it runs; never between a command's
    start and the place that ends it."""
    if _put_off:
        _put_off.append(number)
    else:
        raise SystemExit(128 + number)


@contextmanager
def _not_left() -> Iterator[None]:
    _put_off.append(0)
    try:
        yield
    finally:
        late = [number for number in _put_off if number]
        _put_off.clear()
    if late:
        raise SystemExit(128 + late[0])


def run_command(delivery: Delivery, secrets: dict[str, str]) -> DeliveryResult:
    """Run it to its end or to its timeout. ``secrets``: the text of each, by its reference. Exit code 0 is success; any
    other may pass and is tried again."""
    action = delivery.action
    arguments = list(action.command or ())
    process: subprocess.Popen[bytes] | None = None
    try:
        with _not_left():
            process = subprocess.Popen(
                arguments, cwd=delivery.base, env=_environment(delivery, secrets), stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
    except SystemExit:
        if process is not None:
            end_group(process)
        raise
    except OSError as error:
        passing = isinstance(error, BlockingIOError | MemoryError)  # no process or memory left
        return DeliveryResult(False, f"{arguments[0]}: cannot be started: {error.strerror}", may_pass=passing)
    try:
        in_time, output = _attend(process, delivery.body, action.timeout.total_seconds())
    finally:  # also when we ourselves are told to stop
        if process.poll() is None:
            end_group(process)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
    text = mask_secrets(output.decode("utf-8", "replace"), list(secrets.values()))
    if not in_time:
        what = f"{arguments[0]}: killed after {action.timeout.total_seconds():g} s, with its children"
        return DeliveryResult(False, what, may_pass=True, output=text)
    code = process.returncode
    ended = f"ended by signal {-code}" if code < 0 else f"exit code {code}"
    return DeliveryResult(code == 0, f"{arguments[0]}: {ended}", may_pass=code != 0, output=text)


def _environment(delivery: Delivery, secrets: dict[str, str]) -> dict[str, str]:
    """All of it: nothing is inherited but what the configuration names."""
    named = {name: secrets[text] if is_reference(text) else text for name, text in delivery.action.env.items()}
    payload = delivery.payload
    about = payload.get("alert") or payload.get("job")
    told = about if isinstance(about, dict) else {}
    return {
        "PATH": PATH, "LANG": "C.UTF-8", **named,
        "CALWATCH_EVENT": str(payload.get("event", "")), "CALWATCH_MODEL": str(payload.get("model", "")),
        "CALWATCH_SLICE": str(told.get("slice", "")), "CALWATCH_RULE": str(told.get("rule", "")),
        "CALWATCH_ACTION": delivery.action.name, "CALWATCH_KEY": delivery.key,
        "CALWATCH_ATTEMPT": str(delivery.attempt),
    }  # fmt: skip


def _attend(process: "subprocess.Popen[bytes]", body: bytes, seconds: float) -> tuple[bool, bytes]:
    """Feed stdin, keep the end of the output, until the process ends (True) or the time is up (False)."""
    assert process.stdin is not None
    assert process.stdout is not None
    began = perf_counter()
    left, kept = memoryview(body), bytearray()
    with selectors.DefaultSelector() as ready:
        for pipe, event in ((process.stdin, selectors.EVENT_WRITE), (process.stdout, selectors.EVENT_READ)):
            os.set_blocking(pipe.fileno(), False)
            ready.register(pipe, event)
        while perf_counter() - began < seconds:
            ended = process.poll() is not None  # before reading: what it wrote before its end is then all there
            quiet = True
            for key, _ in ready.select(0 if ended else _LOOK_EVERY):
                if key.fileobj is process.stdin:
                    left = _feed(process.stdin, left, ready)
                elif _keep(process.stdout, kept):
                    quiet = False
                else:
                    ready.unregister(process.stdout)
            if ended and quiet:
                return True, bytes(kept)
            if not ready.get_map():
                with suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.0, seconds - (perf_counter() - began)))
    return process.poll() is not None, bytes(kept)


def _feed(pipe: IO[bytes], left: memoryview, ready: selectors.BaseSelector) -> memoryview:
    try:
        left = left[os.write(pipe.fileno(), left[:65536]) :]
    except BrokenPipeError:
        left = left[:0]  # it does not read its stdin: that is its own affair
    if not left:
        ready.unregister(pipe)
        pipe.close()
    return left


def _keep(pipe: IO[bytes], kept: bytearray) -> bool:
    """Read what is there; False at the end of the output."""
    part = os.read(pipe.fileno(), 65536)
    kept += part
    del kept[:-OUTPUT_KEPT]
    return bool(part)


def end_group(process: "subprocess.Popen[bytes]") -> None:
    """SIGTERM to the process and all its children, SIGKILL to those that remain after a grace."""
    with _not_left():
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
