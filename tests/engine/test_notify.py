"""Messages to the service manager, received on a real datagram socket."""

import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from monitor.engine.systemd import ServiceManager

PID = 4711


@pytest.fixture
def received(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(str(tmp_path / "notify"))
        end.settimeout(10)
        yield end


def told(received: socket.socket) -> str:
    return received.recv(4096).decode()


def test_each_message_is_one_datagram_in_the_words_of_sd_notify(received: socket.socket) -> None:
    manager = ServiceManager(received.getsockname())
    manager.tell_ready("models: 2")
    manager.tell_alive()
    manager.tell_reloading(timedelta(seconds=90, microseconds=7))
    manager.tell_stopping()
    assert [told(received) for _ in range(4)] == [
        "READY=1\nSTATUS=models: 2",
        "WATCHDOG=1",
        "RELOADING=1\nMONOTONIC_USEC=90000007",
        "STOPPING=1\nSTATUS=stopping",
    ]


def test_an_abstract_socket_is_reached_too(tmp_path: Path) -> None:
    name = f"calwatch-{tmp_path.name}-{id(tmp_path)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind("\0" + name)
        end.settimeout(10)
        ServiceManager("@" + name).tell_alive()
        assert told(end) == "WATCHDOG=1"


def test_nobody_to_tell_is_no_trouble() -> None:
    manager = ServiceManager.from_environment({}, PID)
    manager.tell_ready("fine")
    assert manager == ServiceManager(None, None)
    assert manager.interval is None


def test_a_manager_that_has_gone_is_logged_and_stops_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ServiceManager(str(tmp_path / "gone")).tell_alive()
    said = capsys.readouterr()
    assert "service manager not told" in said.out + said.err


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({"WATCHDOG_USEC": "3000000"}, 1.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(PID)}, 1.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_a_third_of_the_watchdog_lies_between_two_signs_of_life(
    environment: dict[str, str], seconds: float | None
) -> None:
    asked = {"NOTIFY_SOCKET": "/run/notify", **environment}
    assert ServiceManager.from_environment(asked, PID).interval == seconds
