"""A whole daemon over TLS: a push is taken by a cycle, a token is taken back by a reload, nothing of a secret is logged."""

import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.engine.test_server import make, needs_openssl
from tests.worlds.api import PUSHED, TOKENS, token_sections
from tests.worlds.line import write_config
from tests.worlds.process import Running, free_port, wait_for

SAMPLES = "/api/v1/models/m/samples"
ROWS = [
    {"sample_id": f"s{number}", "observed_at": "2026-03-01T06:00:00Z", "score": 0.5, "outcome": number % 2}
    for number in range(20)
]


class Https:
    """The daemon's port, asked over TLS."""

    def __init__(self, port: int, certificate: Path) -> None:
        self._base = f"https://localhost:{port}"
        self._context = ssl.create_default_context(cafile=str(certificate))

    def ask(self, path: str, role: str | None = None, body: Any = None, method: str | None = None) -> tuple[int, Any]:
        """Status and JSON; (0, None) while nothing answers."""
        headers = {"Authorization": f"Bearer {TOKENS[role]}"} if role else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        content = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self._base + path, data=content, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10, context=self._context) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, json.loads(refused.read())
        except OSError:
            return 0, None


@needs_openssl
def test_a_daemon_takes_pushes_over_tls_and_a_reload_takes_a_token_back(tmp_path: Path) -> None:
    certificate, _ = make(tmp_path, "own")
    port = free_port()
    server = '[server]\ntls_certificate = "own.pem"\ntls_key = "own.key"\nwithout_token = ["health"]'
    model = PUSHED.format(extra='retention = "3650d"\nhistory = "3650d"')
    monitor = f'listen = "127.0.0.1:{port}"\ncycle = "1s"\nlog_format = "json"'
    path = write_config(tmp_path, model, server, token_sections(), monitor=monitor)
    https = Https(port, certificate)
    with Running(port, tmp_path / "log", "run", "--config", path) as daemon:
        wait_for(lambda: daemon.alive() and https.ask("/readyz")[0] == 200, "/readyz over TLS")
        assert https.ask("/api/v1/models")[0] == 401
        status, push = https.ask(SAMPLES, "write", ROWS)
        assert status == 202
        wait_for(lambda: https.ask(f"{SAMPLES}/{push['id']}", "read")[1]["state"] == "taken", "the push to be taken")
        assert https.ask(f"{SAMPLES}/{push['id']}", "read")[1]["new"] == len(ROWS)
        assert https.ask(SAMPLES, "write", ROWS)[0] == 200

        path.write_text(path.read_text("utf-8").replace('cycle = "1s"', 'cycle = "soon"'), "utf-8")
        status, told = https.ask("/-/reload", "admin", method="POST")
        assert (status, told["mistakes"]) == (
            422, ["calwatch.toml:4: monitor: cycle must be a duration such as \"30m\", \"24h\" or \"7d\" (got 'soon')"],
        )  # fmt: skip
        only = {role: token for role, token in TOKENS.items() if role != "read"}
        write_config(tmp_path, model, server, token_sections(only), monitor=monitor)
        assert https.ask("/-/reload", "admin", method="POST") == (200, {"status": "reloaded"})
        assert https.ask("/api/v1/models", "read")[0] == 401
        assert https.ask("/api/v1/models", "write")[0] == 200
        assert daemon.stop() == 0
    log = (tmp_path / "log").read_text("utf-8")
    assert '"by": "writer"' in log
    assert not [token for token in TOKENS.values() if token in log]


def test_what_was_acknowledged_is_taken_after_a_kill(tmp_path: Path) -> None:
    port = free_port()
    model = PUSHED.format(extra='retention = "3650d"\nhistory = "3650d"')
    monitor = f'listen = "127.0.0.1:{port}"\ncycle = "1h"'
    path = write_config(tmp_path, model, token_sections(), monitor=monitor)

    def ask(daemon: Running, where: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {TOKENS['write']}", "Content-Type": "application/json"}
        content = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(daemon.url + where, data=content, headers=headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())

    with Running(port, tmp_path / "log", "run", "--config", path) as daemon:
        daemon.wait_ready()  # the only cycle of this daemon has ended
        pushed = [ask(daemon, SAMPLES, [row])["id"] for row in ROWS]
        assert ask(daemon, f"{SAMPLES}/{pushed[0]}")["state"] == "waiting"
        daemon.process.kill()
        daemon.process.wait()
    with Running(port, tmp_path / "log", "run", "--config", path) as daemon:
        daemon.wait_ready()
        receipts = [ask(daemon, f"{SAMPLES}/{push}") for push in pushed]
        assert [(receipt["state"], receipt["new"]) for receipt in receipts] == [("taken", 1)] * len(ROWS)
        assert ask(daemon, SAMPLES, [ROWS[0]])["state"] == "taken", "sent again it is the same push"
        assert daemon.stop() == 0
