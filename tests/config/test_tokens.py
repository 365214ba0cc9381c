"""Tokens: their form, their hash, the command that makes them, and what the configuration says about them."""

import json
import tomllib
from pathlib import Path

import pytest

from monitor.cli.app import main
from monitor.config.server import Server, is_loopback
from monitor.config.settings import load_config, parse_config
from monitor.config.tokens import Role, hash_of, is_hash, is_token, new_token
from monitor.engine.check.check import check_config
from monitor.model.errors import ConfigError
from tests.worlds.api import PUSHED, token_sections
from tests.worlds.line import write_config
from tests.worlds.mistakes import without_lines

BASE = Path("/srv")
MODEL = '[[model]]\nname = "m"\ntask = "binary"\n[model.source]\npath = "in/*"\n'
HASH = "sha256:" + "0" * 64


def mistakes(text: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        parse_config(text, "calwatch.toml", BASE)
    return [mistake.removeprefix("calwatch.toml: ") for mistake in without_lines(raised.value.mistakes)]


def test_tokens_differ_and_have_the_form_that_is_taken() -> None:
    made = {new_token() for _ in range(100)}
    assert len(made) == 100
    assert all(is_token(token) and is_hash(hash_of(token)) for token in made)
    assert not is_token("calwatch_" + "a" * 42)
    assert not is_token("a" * 43)


def test_each_role_covers_those_before_it() -> None:
    covered = {role: [other for other in Role if role.is_at_least(other)] for role in Role}
    assert covered == {
        Role.READ: [Role.READ], Role.WRITE: [Role.READ, Role.WRITE], Role.ADMIN: [Role.READ, Role.WRITE, Role.ADMIN],
    }  # fmt: skip


def test_the_command_prints_the_token_once_and_a_section_that_is_valid(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["token", "new", "--role", "write", "--name", 'line "4"'])
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    first, _, rest = printed.partition("\n")
    token = first.rpartition(" ")[2]
    assert is_token(token)
    section = rest[rest.index("[[server.token]]") :]
    server = Server.model_validate(tomllib.loads(section)["server"])
    assert (server.token[0].name, server.token[0].role, server.token[0].hash) == (
        'line "4"',
        Role.WRITE,
        hash_of(token),
    )
    assert printed.count(token) == 1


def test_machines_get_the_same_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["token", "new", "--json"])
    held = json.loads(capsys.readouterr().out)
    assert held == {"token": held["token"], "name": "read", "role": "read", "hash": hash_of(held["token"])}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            '[monitor]\nlisten = "0.0.0.0:9464"\n' + MODEL,
            ['[monitor] listen = "0.0.0.0:9464" can be reached from elsewhere and needs a [[server.token]]: make one with '
             "calwatch token new --role read"],
        ),
        (
            f'[monitor]\nlisten = "cal.example:9464"\n{MODEL}[server]\nwithout_token = ["reading"]\n[[server.token]]\n'
            f'name = "a"\nrole = "read"\nhash = "{HASH}"',
            ['[server] without_token: "reading" is for loopback addresses only (listen = "cal.example:9464")'],
        ),
        (
            PUSHED.format(extra=""),
            ['model "m": source "pushed": nobody may push: it needs a [[server.token]] with role = "write", see: '
             "calwatch token new --role write"],
        ),
        (MODEL + '[server]\ntls_key = "a.key"\n', ["[server] tls_certificate and tls_key go together: name both, or none"]),
        (
            MODEL + '[server]\nallowed_hosts = ["https://cal.example", "cal.example:443"]\n',
            ["[server] allowed_hosts must be names without scheme, port and path (got 'https://cal.example')",
             "[server] allowed_hosts must be names without scheme, port and path (got 'cal.example:443')"],
        ),
        (
            MODEL + f'[[server.token]]\nname = "a"\nrole = "root"\nhash = "{HASH}"',
            ["server: token \"a\": role must be 'read', 'write' or 'admin' (got 'root')"],
        ),
        (
            MODEL + '[[server.token]]\nname = "a"\nrole = "read"\nhash = "calwatch_secret"',
            ['server: token "a": hash must be the hash that "calwatch token new" prints, or name it as "env:NAME" or '
             '"file:PATH" (what is there is not shown)'],
        ),
        (
            MODEL + f'[[server.token]]\nname = "a"\nrole = "read"\nhash = "{HASH}"\n' * 2,
            ['[server] two tokens are called "a"'],
        ),
        (MODEL + "[server]\ntls_kye = 1\n", ['server: unknown key "tls_kye", did you mean "tls_key"?']),
        (
            '[[model]]\nname = "m"\ntask = "binary"\n[model.source]\nkind = "http"\npath = "x"\nformat = "csv"\n',
            ['model "m": source "samples": kind "http" takes no "path": each push says what it is',
             'model "m": source "samples": kind "http" takes no "format": each push says what it is',
             'model "m": source "samples": nobody may push: it needs a [[server.token]] with role = "write", see: calwatch '
             "token new --role write"],
        ),
    ],
)  # fmt: skip
def test_a_mistake_about_access_is_told_and_a_secret_is_not(text: str, told: list[str]) -> None:
    found = mistakes(text)
    assert found == told
    assert "calwatch_secret" not in str(found)


@pytest.mark.parametrize(
    ("host", "own"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False),
     ("10.0.0.1", False), ("localhost.evil.example", False), ("", False)],
)  # fmt: skip
def test_only_this_machine_is_loopback(host: str, own: bool) -> None:
    assert is_loopback(host) is own


def test_check_tells_of_tokens_in_the_clear_and_of_files_that_cannot_serve(tmp_path: Path) -> None:
    path = write_config(tmp_path, PUSHED.format(extra=""), token_sections(), monitor='listen = "0.0.0.0:9464"')
    found = check_config(path)
    assert found.mistakes == []
    assert any("without TLS: tokens can be read on the way" in note for note in found.notes)
    path.write_text(path.read_text("utf-8") + '\n[server]\ntls_certificate = "none.pem"\ntls_key = "none.key"\n')
    assert load_config(path).tls == (tmp_path / "none.pem", tmp_path / "none.key")
    assert check_config(path).mistakes == [
        f"server: {tmp_path / 'none.pem'}: cannot be read: No such file or directory"
    ]


def test_check_tells_of_a_hash_that_is_not_where_it_should_be(tmp_path: Path) -> None:
    section = '[[server.token]]\nname = "a"\nrole = "write"\nhash = "file:none"'
    path = write_config(tmp_path, PUSHED.format(extra=""), section)
    assert check_config(path).mistakes == ["server: file:none: cannot be read: No such file or directory"]
