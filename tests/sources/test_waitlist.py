"""What waits is known without listing the inbox, and stays right whoever takes files out of it."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitor.model.problems import Outcome
from monitor.sources.inbox import Inbox, WaitingPush
from monitor.sources.waitlist import Waitlist

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    return Inbox.of(tmp_path, "m", "pushed")


def put(waits: Waitlist, name: str, size: int = 10, now: datetime = NOW) -> WaitingPush:
    written = waits.inbox.temporary_path(f"{name}.jsonl")
    written.write_bytes(b" " * size)
    return waits.add_push(written, name * 32, "d" * 32, now)


def state_of(waits: Waitlist, name: str) -> str | None:
    held = waits.find_receipt(name * 32)
    return held.state if held is not None else None


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[Inbox]:
    """The listings that are made."""
    made: list[Inbox] = []
    list_ = Inbox.list_waiting

    def counting(self: Inbox) -> list[WaitingPush]:
        made.append(self)
        return list_(self)

    monkeypatch.setattr(Inbox, "list_waiting", counting)
    return made


def test_however_many_come_the_directory_is_listed_once(inbox: Inbox, counted: list[Inbox]) -> None:
    waits = Waitlist(inbox)
    for name in "abcdefgh":
        assert waits.find_receipt(name * 32) is None
        put(waits, name)
        assert state_of(waits, name) == "waiting"
    assert waits.count_waiting() == (8, 80)
    assert len(counted) == 1
    assert [each.id[0] for each in inbox.list_waiting()] == list("abcdefgh")


def test_another_process_finds_what_the_one_before_left_and_goes_on_in_order(inbox: Inbox) -> None:
    before = Waitlist(inbox)
    put(before, "a", 5)
    put(before, "b", 7)
    after = Waitlist(inbox)
    assert after.count_waiting() == (2, 12)
    assert after.find_receipt("a" * 32) == before.find_receipt("a" * 32) == Waitlist(inbox).find_receipt("a" * 32)
    put(after, "c", now=NOW - timedelta(hours=1))
    assert [each.id[0] for each in inbox.list_waiting()] == ["a", "b", "c"]


def test_what_a_cycle_takes_waits_no_more_and_its_receipt_is_told(inbox: Inbox, counted: list[Inbox]) -> None:
    waits = Waitlist(inbox)
    first, second, _ = (put(waits, name) for name in "abc")
    inbox.complete_pushes(
        [first, second], {first.path.name: Outcome(rows=3), second.path.name: Outcome(refused="no")}, NOW
    )
    assert waits.count_waiting() == (1, 10)
    taken = waits.find_receipt("a" * 32)
    assert taken is not None
    assert (taken.state, taken.rows) == ("taken", 3)
    assert [state_of(waits, name) for name in "bc"] == ["refused", "waiting"]
    assert len(counted) == 1


def test_one_taken_out_of_order_is_settled_at_once_and_its_room_is_found(inbox: Inbox) -> None:
    waits = Waitlist(inbox)
    _, second, third = (put(waits, name) for name in "abc")
    inbox.complete_push(second, Outcome(rows=1), NOW)
    third.path.unlink()
    assert waits.count_waiting() == (3, 30), "never too few"
    assert waits.count_waiting_exactly() == (1, 10)
    assert [state_of(waits, name) for name in "abc"] == ["waiting", "taken", None]


@pytest.mark.parametrize("gone", ["first", "last", "all", "the directory"])
def test_what_a_hand_removed_may_be_sent_again(inbox: Inbox, gone: str) -> None:
    waits = Waitlist(inbox)
    files = {"first": put(waits, "a"), "last": put(waits, "b")}
    if gone == "the directory":
        shutil.rmtree(inbox.directory)
    else:
        for file in files.values() if gone == "all" else [files[gone]]:
            file.path.unlink()
    left = [name for name in "ab" if state_of(waits, name)]
    assert left == {"first": ["b"], "last": ["a"]}.get(gone, [])
    assert waits.count_waiting() == waits.count_waiting_exactly() == (len(left), 10 * len(left))
    for name in "ab":
        if name not in left:
            put(waits, name)
    assert waits.count_waiting() == waits.count_waiting_exactly() == (2, 20)
    assert {each.id[0] for each in inbox.list_waiting()} == {"a", "b"}


def test_one_refused_may_come_again_under_its_name_and_counts_once(inbox: Inbox) -> None:
    waits = Waitlist(inbox)
    inbox.complete_push(put(waits, "a"), Outcome(refused="no"), NOW)
    put(waits, "a", 4)
    assert waits.count_waiting() == waits.count_waiting_exactly() == (1, 4)
    assert state_of(waits, "a") == "waiting"


def test_a_full_inbox_is_not_listed_again_before_it_changes(inbox: Inbox, counted: list[Inbox]) -> None:
    waits = Waitlist(inbox)
    put(waits, "a")
    waits.count_waiting_exactly()
    for _ in range(5):
        assert waits.count_waiting_exactly() == (1, 10)
    assert len(counted) == 2
