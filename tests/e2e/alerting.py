"""A real Prometheus and a real Alertmanager on loopback, and somebody who is told: a webhook.

Their configuration is the shipped one of ``deploy/prometheus`` with other addresses and shorter times, nothing else.
"""

import json
import re
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.deploy.tools import needed as needed  # also for those who import it from here
from tests.worlds.process import free_port, wait_for

SHIPPED = Path(__file__).parents[2] / "deploy" / "prometheus"


@dataclass(frozen=True, slots=True)
class Told:
    """One alert as it came to the webhook."""

    path: str  # of the receiver: /page, /ticket or /info
    status: str  # firing | resolved
    labels: Mapping[str, str]
    annotations: Mapping[str, str]

    def is_about(self, **labels: str) -> bool:
        return labels.items() <= self.labels.items()


@dataclass
class Webhook:
    """What was told, in the order it came."""

    port: int
    told: list[Told] = field(default_factory=list)

    def latest(self, **labels: str) -> Told | None:
        """The newest message about the alerts with these labels."""
        return next((each for each in reversed(self.told) if each.is_about(**labels)), None)

    def wait(self, status: str, **labels: str) -> Told:
        def came() -> bool:
            latest = self.latest(**labels)
            return latest is not None and latest.status == status

        try:
            wait_for(came, f"{status}: {labels}")
        except AssertionError as error:
            heard = [(each.path, each.status, dict(each.labels)) for each in self.told]
            raise AssertionError(f"{error}; heard {heard}") from error
        latest = self.latest(**labels)
        assert latest is not None
        return latest


@contextmanager
def webhook() -> Iterator[Webhook]:
    told: list[Told] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told.extend(
                Told(self.path, alert["status"], alert["labels"], alert["annotations"]) for alert in message["alerts"]
            )
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield Webhook(server.server_address[1], told)
        finally:
            server.shutdown()
            thread.join()


def replaced(text: str, *changes: tuple[str, str]) -> str:
    """The text with each pattern replaced, each of which must occur."""
    for pattern, by in changes:
        text, count = re.subn(pattern, by, text)
        assert count, f"{pattern} does not occur in what is shipped"
    return text


def copied_configuration(base: Path, *, scraped: int, alertmanager: int, told: int) -> None:
    """The shipped files under ``base``: everything every second, no ``for``, other ports."""
    (base / "rules").mkdir(parents=True)
    for path in sorted((SHIPPED / "rules").glob("*.yml")):
        (base / "rules" / path.name).write_text(re.sub(r"( for:) \S+", r"\1 0s", path.read_text("utf-8")), "utf-8")
    (base / "prometheus.yml").write_text(
        replaced(
            (SHIPPED / "prometheus.yml").read_text("utf-8"),
            (r"(_interval:) 15s", r"\1 1s"),
            ("127.0.0.1:9464", f"127.0.0.1:{scraped}"),
            ("127.0.0.1:9093", f"127.0.0.1:{alertmanager}"),
        ),
        "utf-8",
    )
    (base / "alertmanager.yml").write_text(
        replaced(
            (SHIPPED / "alertmanager.yml").read_text("utf-8"),
            (r"(group_wait:) \S+", r"\1 1s"),
            (r"(group_interval:) \S+", r"\1 1s"),
            ("127.0.0.1:8099", f"127.0.0.1:{told}"),
        ),
        "utf-8",
    )


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@contextmanager
def server(name: str, ready: str, log: Path, *command: str) -> Iterator[None]:
    """A process that answers at ``ready`` when the block begins, and has ended when the block has."""
    with log.open("w", encoding="utf-8") as sink:
        process = subprocess.Popen(command, stdout=sink, stderr=subprocess.STDOUT, cwd=log.parent)

    def up() -> bool:
        assert process.poll() is None, f"{name} ended with {process.returncode}:\n{log.read_text('utf-8')}"
        return answers(ready)

    try:
        wait_for(up, f"{name} to be ready")
        yield
    finally:
        process.kill()
        process.wait()


@contextmanager
def alerting(base: Path, *, scraped: int, told: int) -> Iterator[str]:
    """Prometheus scraping 127.0.0.1:``scraped`` with the shipped rules, and Alertmanager telling 127.0.0.1:``told``.

    Yields Prometheus' address. Skips where one of them is missing.
    """
    prometheus, alertmanager = needed("prometheus"), needed("prometheus-alertmanager")
    first, second = free_port(), free_port()
    copied_configuration(base, scraped=scraped, alertmanager=second, told=told)
    one, other = f"http://127.0.0.1:{first}", f"http://127.0.0.1:{second}"
    with (
        server(
            "alertmanager", f"{other}/-/ready", base / "alertmanager.log",
            alertmanager, f"--config.file={base / 'alertmanager.yml'}", f"--storage.path={base / 'alerts'}",
            f"--web.listen-address=127.0.0.1:{second}", "--cluster.listen-address=",
        ),
        server(
            "prometheus", f"{one}/-/ready", base / "prometheus.log",
            prometheus, f"--config.file={base / 'prometheus.yml'}", f"--storage.tsdb.path={base / 'series'}",
            f"--web.listen-address=127.0.0.1:{first}",
        ),
    ):  # fmt: skip
        yield one


def ask(prometheus: str, query: str) -> list[tuple[Mapping[str, str], float]]:
    """Labels and value of each series an instant query gives."""
    url = f"{prometheus}/api/v1/query?query={urllib.parse.quote(query)}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        found = json.load(answer)["data"]["result"]
    return [(each["metric"], float(each["value"][1])) for each in found]
