"""Backups over the API: for admins only, under a name in the state directory, with what became of each."""

from contextlib import nullcontext
from pathlib import Path

import pytest

from monitor.engine.backups import BackupDesk, ask_backup, load_backup
from monitor.store.backup.archive import check_archive
from tests.worlds.api import World, api_world

PATH = "/api/v1/backups"


def desk_of(world: World) -> BackupDesk:
    return BackupDesk(world.config.state_dir, lambda: world.connection, nullcontext, lambda: world.now)


def test_an_admin_gets_a_backup_and_is_told_of_it(tmp_path: Path) -> None:
    with api_world(tmp_path) as world:
        admin = world.client("admin")
        asked = admin.post(PATH, json={})
        assert asked.status_code == 202
        told = asked.json()
        assert admin.get(f"{PATH}/{told['backup']}").json() == told
        assert told["state"] == "waiting"
        desk_of(world).take_requests()
        done = admin.get(f"{PATH}/{told['backup']}").json()
        assert done["state"] == "done"
        assert done["problem"] is None
        written = world.config.state_dir / "backups" / done["file"]
        assert written.stat().st_size == done["bytes"]
        assert check_archive(written).files


@pytest.mark.parametrize("role", ["read", "write"])
def test_nobody_else_gets_one(tmp_path: Path, role: str) -> None:
    with api_world(tmp_path) as world:
        assert world.client(role).post(PATH, json={}).status_code == 403
        assert not (world.config.state_dir / "backups").exists()


@pytest.mark.parametrize(
    "name", ["../x.tar", "/tmp/x.tar", ".x.tar", "a/b.tar", "x", "x" * 200 + ".tar", "x.tar\n", ""]
)
def test_a_name_stays_within_its_directory(tmp_path: Path, name: str) -> None:
    with api_world(tmp_path) as world:
        refused = world.client("admin").post(PATH, json={"name": name})
        assert refused.status_code == 422
        assert not (world.config.state_dir / "backups").exists()


def test_a_backup_nobody_asked_for_is_not_known(tmp_path: Path) -> None:
    with api_world(tmp_path) as world:
        assert world.client("admin").get(f"{PATH}/{'a' * 32}").status_code == 404


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"file": 5}', b"\xff" * 20, b"[" * 100_000, None])
def test_a_request_that_is_none_is_set_aside_and_the_next_one_served(tmp_path: Path, content: bytes | None) -> None:
    with api_world(tmp_path) as world:
        state = world.config.state_dir
        token = ask_backup(state, tmp_path / "b.tar")
        bad = state / "backups" / "0bad.json"
        bad.mkdir() if content is None else bad.write_bytes(content)
        desk_of(world).take_requests()
        assert not bad.exists()
        assert (state / "backups" / "0bad.bad").exists()
        found = load_backup(state, token)
        assert found is not None
        assert found.state == "done"
        assert check_archive(tmp_path / "b.tar").files


def test_a_backup_that_cannot_be_written_is_told_with_what_to_do(tmp_path: Path) -> None:
    with api_world(tmp_path) as world:
        token = ask_backup(world.config.state_dir, tmp_path / "nowhere" / "b.tar")
        desk_of(world).take_requests()
        found = load_backup(world.config.state_dir, token)
        assert found is not None
        assert found.state == "failed"
        assert "there is no directory" in (found.problem or "")
        assert found.hint
