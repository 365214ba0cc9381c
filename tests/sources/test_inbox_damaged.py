"""What a damaged disk, or a careless hand, leaves in an inbox: told of each, and the next push is taken."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitor.model.errors import StoreError
from monitor.model.problems import Outcome
from monitor.sources.inbox import Inbox, WaitingPush
from monitor.sources.waitlist import Waitlist

NOW = datetime(2026, 3, 1, tzinfo=UTC)
NAME = "a" * 32


def settled(base: Path) -> tuple[Inbox, WaitingPush]:
    inbox = Inbox.of(base, "m", "pushed")
    written = inbox.temporary_path("one.jsonl")
    written.write_text("{}\n")
    file = inbox.add_push(written, NAME, "d" * 64, NOW)
    return inbox, file


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"7", b'{"id": 1}', b"\xff" * 9, b"[" * 100_000, None])
def test_a_damaged_receipt_says_so_and_what_to_do(tmp_path: Path, content: bytes | None) -> None:
    inbox, file = settled(tmp_path)
    inbox.complete_push(file, Outcome(rows=1), NOW)
    path = inbox.directory / "receipts" / f"{NAME}.json"
    path.unlink()
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(StoreError, match="is damaged") as raised:
        Waitlist(inbox).find_receipt(NAME)
    assert "send it again" in raised.value.hint


@pytest.mark.parametrize("what", ["receipts", "refused", "receipt"])
def test_something_in_the_place_of_a_directory_or_a_receipt_holds_up_nobody(tmp_path: Path, what: str) -> None:
    inbox, file = settled(tmp_path)
    if what == "receipt":
        (inbox.directory / "receipts" / f"{NAME}.json" / "deep").mkdir(parents=True)
    else:
        (inbox.directory / what).write_text("in the way")
    inbox.complete_push(file, Outcome(refused="no rows"), NOW)
    receipt = Waitlist(inbox).find_receipt(NAME)
    assert receipt is not None
    assert receipt.state == "refused"
    assert inbox.list_waiting() == []
