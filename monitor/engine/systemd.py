"""The service manager's notification socket (sd_notify): ready, alive, reloading, stopping.

One datagram a message to the socket that ``NOTIFY_SOCKET`` names; without it, every message goes nowhere. Protocol:
sd_notify(3) and sd_watchdog_enabled(3) of systemd.
"""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import structlog

log = structlog.get_logger("calwatch")


@dataclass(frozen=True, slots=True)
class ServiceManager:
    """Who started us and wants to know how we are; ``address`` None: nobody."""

    address: str | None = None
    watchdog: timedelta | None = None  # without a sign of life for this long, we are killed; None: never

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], own_pid: int) -> "ServiceManager":
        """What ``NOTIFY_SOCKET``, ``WATCHDOG_USEC`` and ``WATCHDOG_PID`` say. A watchdog for another process is none of
        ours, nor is one that cannot be read."""
        address = environment.get("NOTIFY_SOCKET") or None
        microseconds = environment.get("WATCHDOG_USEC", "")
        meant = environment.get("WATCHDOG_PID") in (None, "", str(own_pid))
        watched = address is not None and meant and microseconds.isdecimal() and int(microseconds) > 0
        return cls(address, timedelta(microseconds=int(microseconds)) if watched else None)

    @property
    def interval(self) -> float | None:
        """Seconds between two signs of life, a third of what is allowed; None where nobody waits for them."""
        return None if self.watchdog is None else self.watchdog.total_seconds() / 3

    def tell_ready(self, status: str) -> None:
        """We serve; also ends a reload."""
        self._send("READY=1", f"STATUS={status}")

    def tell_alive(self) -> None:
        """The sign of life: the watchdog counts from here on."""
        self._send("WATCHDOG=1")

    def tell_reloading(self, monotonic: timedelta) -> None:
        """The configuration is being read again; ``monotonic`` is what CLOCK_MONOTONIC shows. ``tell_ready`` ends it."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={monotonic // timedelta(microseconds=1)}")

    def tell_stopping(self) -> None:
        """We end because we were told to."""
        self._send("STOPPING=1", "STATUS=stopping")

    def _send(self, *lines: str) -> None:
        if self.address is None:
            return
        path = "\0" + self.address[1:] if self.address.startswith("@") else self.address  # "@": no file, abstract
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.settimeout(1.0)  # a manager that does not read must not hold up the watch
                sender.sendto("\n".join(lines).encode(), path)
        except OSError as error:
            log.warning("service manager not told", told=lines[0], address=self.address, problem=str(error))
