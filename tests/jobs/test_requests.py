"""Requests: small files that ask the daemon for a job, exactly once."""

import errno
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitor.jobs.requests import leave_request, read_requests
from monitor.model import Job, JobState, Slice
from monitor.model.errors import StoreError

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
NIGHT = Slice.of({"camera": "c,1", "lighting": "ni=ght"})


def test_a_request_comes_back_as_the_job_it_asks_for(tmp_path: Path) -> None:
    path = leave_request(tmp_path / "state", "m", "rollback", NIGHT, NOW, to="0123456789abcdef")
    ((found, job),) = read_requests(tmp_path / "state", "m", Job)
    assert found == path
    assert (job.model, job.kind, job.scope, job.requested_at) == ("m", "rollback", NIGHT, NOW)
    assert (job.trigger, job.state, job.details) == ("manual", JobState.QUEUED, {"to": "0123456789abcdef"})
    ((_, again),) = read_requests(tmp_path / "state", "m", Job)
    assert again.id == job.id


def test_each_model_sees_its_own_requests_and_no_directory_is_no_request(tmp_path: Path) -> None:
    assert list(read_requests(tmp_path, "m", Job)) == []
    for model in ("m", "other", "m"):
        leave_request(tmp_path, model, "recalibrate", Slice(), NOW)
    assert len(list(read_requests(tmp_path, "m", Job))) == 2
    assert len(list(read_requests(tmp_path, "other", Job))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "7", '"text"', "null", "{}",
        '{"model": "m", "kind": "recalibrate", "scope": "camera", "requested_at": "2026-03-01T00:00:00+00:00"}',
        '{"model": "m", "kind": "recalibrate", "scope": 7, "requested_at": "2026-03-01T00:00:00+00:00"}',
        '{"model": "m", "kind": "recalibrate", "scope": "all", "requested_at": "yesterday"}',
        '{"model": "m", "kind": "recalibrate", "scope": "all", "requested_at": "2026-03-01T00:00:00"}',
        '{"model": "m", "kind": "explode", "scope": "all", "requested_at": "2026-03-01T00:00:00+00:00"}',
    ],
)  # fmt: skip
def test_a_file_that_is_no_request_is_set_aside_and_kept(text: str, tmp_path: Path) -> None:
    good = leave_request(tmp_path, "m", "recalibrate", Slice(), NOW)
    (good.parent / "0.json").write_text(text, "utf-8")
    assert [path for path, _ in read_requests(tmp_path, "m", Job)] == [good]
    assert (good.parent / "0.bad").read_text("utf-8") == text
    assert not (good.parent / "0.json").exists()


def test_bytes_that_are_no_text_are_set_aside(tmp_path: Path) -> None:
    (tmp_path / "requests").mkdir()
    (tmp_path / "requests" / "0.json").write_bytes(b"\xff\xfe\x00")
    assert list(read_requests(tmp_path, "m", Job)) == []
    assert (tmp_path / "requests" / "0.bad").exists()


def test_something_that_cannot_be_read_is_set_aside_and_holds_up_nobody(tmp_path: Path) -> None:
    good = leave_request(tmp_path, "m", "recalibrate", Slice(), NOW)
    (good.parent / "0.json").mkdir()  # reading a directory fails, for root too
    assert [path for path, _ in read_requests(tmp_path, "m", Job)] == [good]
    assert (good.parent / "0.bad").is_dir()


def test_a_request_is_written_aside_and_put_in_place_whole(tmp_path: Path) -> None:
    path = leave_request(tmp_path, "m", "recalibrate", Slice(), NOW)
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    assert json.loads(path.read_text("utf-8"))["scope"] == "all"


def test_a_state_directory_that_cannot_be_written_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file", "utf-8")
    with pytest.raises(StoreError, match="cannot be written") as caught:
        leave_request(tmp_path / "state", "m", "recalibrate", Slice(), NOW)
    assert caught.value.hint == "run it as the daemon's user"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_of_a_full_disk_it_is_said_to_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "write_text", refuse)
    with pytest.raises(StoreError, match="cannot be written") as caught:
        leave_request(tmp_path / "state", "m", "recalibrate", Slice(), NOW)
    assert caught.value.hint == "make room on its disk"
