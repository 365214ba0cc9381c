"""The HTTP server on real sockets: TLS with a certificate made for the test, limits, what it does not say."""

import json
import shutil
import socket
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs

from monitor.engine.http import HttpServer, serving_context
from monitor.model.errors import CalwatchError
from tests.worlds.process import free_port

needs_openssl = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="NOT TESTED: TLS needs the command openssl (Debian: apt install openssl)"
)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    request = Request(scope, receive)
    client = request.client.host if request.client else None
    await JSONResponse({"scheme": request.url.scheme, "client": client})(scope, receive, send)


@contextmanager
def serving(tls: tuple[Path, Path] | None = None) -> Iterator[int]:
    port = free_port()
    server = HttpServer(app, f"127.0.0.1:{port}", tls)
    try:
        yield port
    finally:
        server.stop()


def make(directory: Path, name: str, *options: str) -> tuple[Path, Path]:
    """A certificate for localhost and its key."""
    certificate, key = directory / f"{name}.pem", directory / f"{name}.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-out", str(certificate),
         "-keyout", str(key), *(options or ("-nodes",))],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate, key


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make(tmp_path_factory.mktemp("tls"), "own")


def ask(url: str, context: ssl.SSLContext | None = None, headers: Mapping[str, str] | None = None) -> dict[str, str]:
    request = urllib.request.Request(url, headers=dict(headers or {}))
    with urllib.request.urlopen(request, timeout=10, context=context) as answer:
        assert "server" not in answer.headers
        held: dict[str, str] = json.loads(answer.read())
        return held


@needs_openssl
def test_a_client_that_trusts_the_certificate_speaks_tls(pair: tuple[Path, Path]) -> None:
    with serving(pair) as port:
        trusting = ssl.create_default_context(cafile=str(pair[0]))
        assert ask(f"https://localhost:{port}/", trusting)["scheme"] == "https"
        with (
            closing(socket.create_connection(("127.0.0.1", port), timeout=10)) as plain,
            trusting.wrap_socket(plain, server_hostname="localhost") as wrapped,
        ):
            assert wrapped.version() in ("TLSv1.2", "TLSv1.3")


@needs_openssl
def test_one_that_does_not_trust_it_or_speaks_plainly_gets_nothing(pair: tuple[Path, Path]) -> None:
    with serving(pair) as port:
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            ask(f"https://localhost:{port}/", ssl.create_default_context())
        with closing(socket.create_connection(("127.0.0.1", port), timeout=10)) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"HTTP/" not in plain.recv(100)


@needs_openssl
def test_what_cannot_serve_tls_is_told_before_anything_listens(pair: tuple[Path, Path], tmp_path: Path) -> None:
    other = make(tmp_path, "other")
    locked = make(tmp_path, "locked", "-passout", "pass:word")
    junk = tmp_path / "junk.pem"
    junk.write_text("no certificate")
    for tls, told in (
        ((pair[0], tmp_path / "none"), "cannot be read: No such file or directory"),
        ((pair[0], other[1]), "cannot serve TLS: KEY_VALUES_MISMATCH"),
        ((junk, pair[1]), "cannot serve TLS"),
        (locked, "cannot serve TLS"),
    ):
        with pytest.raises(CalwatchError, match=told) as raised, serving(tls):
            pass
        assert raised.value.hint


@needs_openssl
def test_a_renewed_certificate_is_served_and_one_that_is_no_pair_is_not(tmp_path: Path) -> None:
    def served(port: int, trusted: Path, name: str | None) -> bool:
        context = ssl.create_default_context(cafile=str(trusted))
        context.check_hostname = name is not None
        try:
            with (
                closing(socket.create_connection(("127.0.0.1", port), timeout=10)) as plain,
                context.wrap_socket(plain, server_hostname=name),
            ):
                return True
        except ssl.SSLCertVerificationError:
            return False

    first, second = make(tmp_path, "first"), make(tmp_path, "second")
    used = tmp_path / "used.pem", tmp_path / "used.key"
    for source, target in zip(first, used, strict=True):
        shutil.copy(source, target)
    with serving(used) as port, capture_logs() as logs:
        assert served(port, first[0], "localhost")
        shutil.copy(second[0], tmp_path / "aside")
        (tmp_path / "aside").replace(used[0])
        assert served(port, first[0], "localhost"), "the key has not come yet"
        shutil.copy(second[1], tmp_path / "aside")
        (tmp_path / "aside").replace(used[1])
        for name in ("localhost", None):  # a client that names nobody too
            assert served(port, second[0], name)
            assert not served(port, first[0], name)
    assert [entry["event"] for entry in logs] == [
        "certificate not renewed, the one before stays", "certificate renewed",
    ]  # fmt: skip


@needs_openssl
def test_versions_before_tls_1_2_are_refused(pair: tuple[Path, Path]) -> None:
    assert serving_context(*pair).minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET"])
def test_a_connection_that_never_ends_its_request_is_closed(begun: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.engine.http.HEAD_PATIENCE", 0.02)
    with serving() as port, closing(socket.create_connection(("127.0.0.1", port), timeout=10)) as silent:
        silent.sendall(begun)
        while silent.recv(1000):  # the answer to what was whole; then the end, and no timeout
            pass


def test_headers_beyond_64_kib_are_refused() -> None:
    with serving() as port, closing(socket.create_connection(("127.0.0.1", port), timeout=10)) as talkative:
        talkative.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 300_000)
        answer = b""
        with suppress(ConnectionResetError):
            answer = talkative.recv(1000)
        assert answer == b"" or b" 400 " in answer


def test_what_proxies_say_of_the_client_is_not_believed() -> None:
    with serving() as port:
        told = ask(f"http://127.0.0.1:{port}/", headers={"X-Forwarded-For": "10.9.8.7", "X-Forwarded-Proto": "https"})
    assert told == {"scheme": "http", "client": "127.0.0.1"}


def test_a_port_that_is_taken_is_told() -> None:
    with serving() as port, pytest.raises(CalwatchError, match="cannot listen there"):
        HttpServer(app, f"127.0.0.1:{port}")
