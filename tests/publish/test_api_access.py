"""Who may ask what: every attack in the table is refused with its status; every door opens for whom it should."""

import base64
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from monitor.config.server import Server
from monitor.config.tokens import hash_of, new_token
from monitor.publish.web.access import MAX_FAILURES, Access
from tests.worlds.api import TOKENS, World, api_world

JOBS, SAMPLES, RELOAD, READ = "/api/v1/models/m/jobs", "/api/v1/models/m/samples", "/-/reload", "/api/v1/models"
REFIT = {"kind": "recalibrate"}
ROW = [{"sample_id": "a", "observed_at": "2026-03-01T06:00:00Z", "score": 0.5}]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def basic(token: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"anyone:{token}".encode()).decode()}


WRITER, ADMIN, READER = bearer(TOKENS["write"]), bearer(TOKENS["admin"]), bearer(TOKENS["read"])


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """On loopback: reading is open."""
    with api_world(tmp_path_factory.mktemp("local")) as world:
        world.tick()
        yield world


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """On an address that others reach."""
    with api_world(tmp_path_factory.mktemp("remote"), monitor='listen = "0.0.0.0:9464"') as world:
        world.tick()
        yield world


ATTACKS: list[tuple[str, str, str, dict[str, Any], int]] = [
    # what is tried, method, path, request, status
    ("rebinding: a foreign name for a reading", "GET", READ, {"headers": {"Host": "evil.example"}}, 421),
    ("rebinding: a foreign name for the page", "GET", "/", {"headers": {"Host": "evil.example:9464"}}, 421),
    ("rebinding: loopback as a prefix", "GET", READ, {"headers": {"Host": "127.0.0.1.evil.example"}}, 421),
    ("rebinding: loopback as user info", "GET", READ, {"headers": {"Host": "127.0.0.1@evil.example"}}, 421),
    ("rebinding: a path after the port", "GET", READ, {"headers": {"Host": "127.0.0.1:80/evil.example"}}, 421),
    ("rebinding: a name as the port", "GET", READ, {"headers": {"Host": "127.0.0.1:evil.example"}}, 421),
    ("rebinding: a name after brackets", "GET", READ, {"headers": {"Host": "[::1].evil.example"}}, 421),
    ("rebinding with a token", "POST", JOBS, {"headers": {**WRITER, "Host": "evil.example"}, "json": REFIT}, 421),
    ("a change without a token, on loopback", "POST", JOBS, {"json": REFIT}, 401),
    ("samples without a token", "POST", SAMPLES, {"json": ROW}, 401),
    ("a reload without a token", "POST", RELOAD, {}, 401),
    ("an empty token", "POST", JOBS, {"headers": {"Authorization": "Bearer "}, "json": REFIT}, 401),
    ("a made-up token", "POST", JOBS, {"headers": bearer(new_token()), "json": REFIT}, 401),
    ("the hash instead of the token", "POST", JOBS, {"headers": bearer(hash_of(TOKENS["write"])), "json": REFIT}, 401),
    ("a token cut short", "POST", JOBS, {"headers": bearer(TOKENS["write"][:-1]), "json": REFIT}, 401),
    ("a token in other letters", "POST", JOBS, {"headers": bearer(TOKENS["write"].upper()), "json": REFIT}, 401),
    ("a token in the address", "POST", f"{JOBS}?token={TOKENS['write']}", {"json": REFIT}, 401),
    ("a token as a cookie", "POST", JOBS, {"headers": {"Cookie": f"token={TOKENS['write']}"}, "json": REFIT}, 401),
    ("what a browser repeats by itself", "POST", JOBS, {"headers": basic(TOKENS["admin"]), "json": REFIT}, 401),
    ("a reader asks for a job", "POST", JOBS, {"headers": READER, "json": REFIT}, 403),
    ("a reader pushes", "POST", SAMPLES, {"headers": READER, "json": ROW}, 403),
    ("a writer reloads", "POST", RELOAD, {"headers": WRITER}, 403),
    ("another site's page", "POST", JOBS, {"headers": {**WRITER, "Origin": "https://evil.example"}, "json": REFIT}, 403),
    ("a page without origin", "POST", JOBS, {"headers": {**WRITER, "Origin": "null"}, "json": REFIT}, 403),
    ("another port's page", "POST", JOBS, {"headers": {**WRITER, "Origin": "http://127.0.0.1:8000"}, "json": REFIT}, 403),
    ("a cross-site fetch", "POST", JOBS, {"headers": {**WRITER, "Sec-Fetch-Site": "cross-site"}, "json": REFIT}, 403),
    ("a form", "POST", JOBS, {"headers": WRITER, "data": REFIT}, 415),
    ("a form with a file", "POST", SAMPLES, {"headers": WRITER, "files": {"body": b"[]"}}, 415),
    ("JSON as plain text", "POST", SAMPLES, {"headers": {**WRITER, "Content-Type": "text/plain"}, "content": "[]"}, 415),
    ("two types at once", "POST", SAMPLES, {"headers": [("Authorization", WRITER["Authorization"]), ("Content-Type",
     "application/json"), ("Content-Type", "text/plain")], "content": "[]"}, 415),
    ("a body of no type", "POST", SAMPLES, {"headers": WRITER, "content": b"[]"}, 415),
    ("a change by reading", "GET", JOBS, {"headers": WRITER}, 405),
    ("a preflight", "OPTIONS", JOBS, {"headers": {"Origin": "https://evil.example"}}, 403),
    ("another method", "DELETE", READ, {"headers": ADMIN}, 405),
    ("a path out of the inbox", "POST", "/api/v1/models/..%2F..%2Fm/samples", {"headers": WRITER, "json": ROW}, 404),
    ("a receipt out of the inbox", "GET", f"{SAMPLES}/..%2F..%2Fcalwatch", {}, 404),
]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "request_", "status"), [a[1:] for a in ATTACKS], ids=[a[0] for a in ATTACKS]
)
def test_an_attack_is_refused_on_loopback(
    local: World, method: str, path: str, request_: dict[str, Any], status: int
) -> None:
    answer = local.client().request(method, path, **request_)
    assert answer.status_code == status, answer.text
    assert "evil.example" not in answer.text + str(answer.headers)
    assert TOKENS["write"] not in answer.text
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert not list((local.config.state_dir / "requests").glob("*")), "a refused request left something"
    assert not list((local.config.state_dir / "inbox").glob("**/*.jsonl"))


@pytest.mark.parametrize(
    "path", ["/", "/style.css", READ, "/api/v1/openapi.json", "/openapi.json", "/metrics", "/nowhere"]
)
def test_elsewhere_nothing_but_health_is_shown_without_a_token(remote: World, path: str) -> None:
    assert remote.client().get(path).status_code == 401
    assert remote.client("read").get(path).status_code in (200, 404)
    assert remote.client().get(path, headers=bearer(new_token())).status_code == 401


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_needs_no_token_and_no_name(remote: World, path: str) -> None:
    assert remote.client(base_url="http://10.1.2.3:9464").get(path).status_code == 200


@pytest.mark.parametrize(
    "headers", [READER, WRITER, ADMIN, basic(TOKENS["read"])], ids=["read", "write", "admin", "basic"]
)
def test_each_role_reads(remote: World, headers: dict[str, str]) -> None:
    assert remote.client().get("/metrics", headers=headers).status_code == 200
    assert remote.client().head("/healthz").status_code == 200


def test_a_browser_is_asked_for_the_token_and_a_machine_is_not(remote: World) -> None:
    page = remote.client().get("/", headers={"Accept": "text/html,*/*"})
    machine = remote.client().get("/metrics", headers={"Accept": "text/plain"})
    assert page.headers["www-authenticate"].startswith("Basic ")
    assert machine.headers["www-authenticate"].startswith("Bearer ")


def test_an_admin_reloads_a_writer_asks_and_pushes(tmp_path: Path) -> None:
    with api_world(tmp_path) as world:
        world.tick()
        assert world.client("admin").post(RELOAD).json() == {"status": "reloaded"}
        assert world.reloads == 1
        same = {"Origin": "http://127.0.0.1:9464", "Sec-Fetch-Site": "same-origin"}
        assert world.client("write").post(JOBS, json=REFIT, headers=same).status_code == 202
        assert world.client("write").post(SAMPLES, json=ROW).status_code == 202


def test_metrics_may_be_opened_and_reading_behind_a_proxy_closed(tmp_path: Path) -> None:
    with api_world(tmp_path, server='without_token = ["health", "metrics"]\nallowed_hosts = ["cal.example"]') as world:
        client = world.client(base_url="https://cal.example")
        assert client.get("/metrics").status_code == 200
        assert client.get("/").status_code == 401
        assert world.client("read", base_url="https://cal.example").get(READ).status_code == 200
        assert world.client("read", base_url="https://evil.example").get(READ).status_code == 421


def test_wrong_tokens_are_slowed_and_forgotten_while_a_right_one_is_always_let_in(tmp_path: Path) -> None:
    with api_world(tmp_path, monitor='listen = "0.0.0.0:9464"') as world:
        client = world.client()
        wrong = bearer(new_token())
        with capture_logs() as logs:
            answers = [client.get(READ, headers=wrong) for _ in range(MAX_FAILURES + 3)]
        assert [answer.status_code for answer in answers] == [401] * (MAX_FAILURES + 3)
        assert [answer.headers.get("retry-after") for answer in answers] == [None] * MAX_FAILURES + ["60"] * 3
        assert all(answer.headers["www-authenticate"].startswith("Bearer ") for answer in answers)
        assert answers[-1].json() == {"detail": "too many wrong tokens: see Retry-After"}
        assert client.get(READ, headers=READER).status_code == 200
        told = [entry for entry in logs if entry["event"] == "access refused"]
        assert len(told) == MAX_FAILURES
        assert {**told[0], "log_level": "", "client": ""} == {
            "event": "access refused", "reason": "the token is unknown", "client": "", "method": "GET", "path": READ,
            "log_level": "",
        }  # fmt: skip
        world.now += timedelta(minutes=1)
        again = client.get(READ, headers=wrong)
        assert (again.status_code, "retry-after" in again.headers) == (401, False)


def test_no_log_and_no_answer_holds_a_token(tmp_path: Path) -> None:
    with api_world(tmp_path) as world, capture_logs() as logs:
        world.tick()
        sent = new_token()
        texts = [world.client().post(JOBS, json=REFIT, headers=bearer(sent)).text]
        texts += [world.client("write").post(SAMPLES, json=ROW).text, world.client("admin").post(RELOAD).text]
        written = str(logs) + "".join(texts)
        assert "writer" in written, "who changed something is told by name"
        for token in (sent, *TOKENS.values()):
            assert token not in written
            assert hash_of(token) not in written


def test_a_token_is_one_whose_hash_is_kept_and_has_the_form_of_those_made_here() -> None:
    word = "secret-word"
    server = Server.model_validate({"token": [{"name": "w", "role": "admin", "hash": hash_of(word)}]})
    access = Access.from_server(server, "127.0.0.1:1", Path())
    assert access.find_caller(word) is None


def test_a_hash_may_stand_in_a_file_or_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = new_token()
    (tmp_path / "hash").write_text(hash_of(token) + "\n")
    monkeypatch.setenv("READ_HASH", hash_of(TOKENS["read"]))
    held = [{"name": "f", "role": "write", "hash": "file:hash"}, {"name": "e", "role": "read", "hash": "env:READ_HASH"}]
    access = Access.from_server(Server.model_validate({"token": held}), "127.0.0.1:1", tmp_path)
    for sent, name in ((token, "f"), (TOKENS["read"], "e")):
        caller = access.find_caller(sent)
        assert caller is not None
        assert caller.name == name


def test_a_reload_with_mistakes_tells_them(tmp_path: Path) -> None:
    with api_world(tmp_path) as world:
        world.path.write_text(world.path.read_text("utf-8") + "\n[monitr]\n")
        answer = world.client("admin").post(RELOAD)
        assert answer.status_code == 422
        mistake = 'calwatch.toml:31: unknown key "monitr", did you mean "monitor"?'
        assert answer.json() == {
            "detail": f"nothing was reloaded, the old configuration stays in force: {mistake}", "mistakes": [mistake],
        }  # fmt: skip


def test_losing_its_tokens_by_a_reload_closes_an_address_that_others_reach() -> None:
    open_ = Server.model_validate({"without_token": ["health", "reading"]})
    access = Access.from_server(open_, "0.0.0.0:9464", Path())
    assert access.without_token == {"health"}
    assert access.find_caller(TOKENS["admin"]) is None
