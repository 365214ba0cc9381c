"""What waits in an inbox, known without listing its directory: a push costs the same however many wait."""

import os
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import takewhile
from pathlib import Path

from monitor.sources.inbox import Inbox, Receipt, WaitingPush, receipt_of

_NEVER = -1


@dataclass(slots=True)
class Waitlist:
    """Kept by the one process that puts pushes into the inbox, which calls it from one thread at a time.

    The directory stays the truth, and nobody who takes pushes tells of it here (a cycle, a crash, a hand): of a push that
    is asked for its file is looked at, those at the front that are gone are dropped at each look, since cycles take pushes
    in order, and before anything is refused for want of room, the directory is listed anew if it changed.
    """

    inbox: Inbox
    _waiting: dict[str, tuple[WaitingPush, int]] = field(default_factory=dict)  # by id, in order; with bytes
    _bytes: int = 0
    _newest: int = 0  # order of the last push that came
    _changed: int = _NEVER  # the directory's time of change when it was listed

    def count_waiting(self) -> tuple[int, int]:
        """(pushes, bytes) that wait: never too few; too many where some were taken out of order."""
        if self._changed == _NEVER:
            self._list()
        for push_id in list(takewhile(lambda push_id: not self._waiting[push_id][0].path.exists(), self._waiting)):
            self._drop(push_id)
        return len(self._waiting), self._bytes

    def count_waiting_exactly(self) -> tuple[int, int]:
        """``count_waiting`` of what is in the directory now."""
        if self._changed != self._time_of_change():
            self._list()
        return self.count_waiting()

    def find_receipt(self, push_id: str) -> Receipt | None:
        """What is known of a push; None when it never came, or so long ago that its receipt is gone.

        Raises StoreError when its receipt is damaged.
        """
        self.count_waiting()
        held = self._waiting.get(push_id)
        # first what waits: a push that is settled between the two looks has its receipt by then
        if held is not None and held[0].path.exists():
            return receipt_of(held[0])
        self._drop(push_id)
        return self.inbox.load_receipt(push_id)

    def add_push(self, written: Path, push_id: str, digest: str, now: datetime) -> WaitingPush:
        """Make a file written by ``Inbox.temporary_path`` durable and visible. Raises OSError."""
        self.count_waiting()
        size = written.stat().st_size
        put = self.inbox.add_push(written, push_id, digest, now, newest=self._newest)
        self._drop(push_id)
        self._add(put, size)
        return put

    def _list(self) -> None:
        # the time first: what changes while the list is made is seen the next time
        changed = self._time_of_change()
        self._waiting.clear()
        self._bytes = 0
        for each in self.inbox.list_waiting():
            with suppress(FileNotFoundError):  # taken meanwhile
                self._add(each, each.path.stat().st_size)
        self._changed = changed

    def _add(self, push: WaitingPush, size: int) -> None:
        self._waiting[push.id] = push, size
        self._bytes += size
        self._newest = max(self._newest, push.order)

    def _drop(self, push_id: str) -> None:
        _, size = self._waiting.pop(push_id, (None, 0))
        self._bytes -= size

    def _time_of_change(self) -> int:
        try:
            return os.stat(self.inbox.directory).st_mtime_ns  # noqa: PTH116
        except FileNotFoundError:
            return 0
