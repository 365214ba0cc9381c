"""Nine days of the demo inside a real Prometheus, as if it had scraped calwatch all the time."""

import json
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from importlib.resources import as_file, files
from pathlib import Path
from subprocess import run
from typing import Any
from unittest.mock import patch

from prometheus_client import CollectorRegistry

from monitor.config.settings import load_config
from monitor.engine import backtest
from monitor.engine.cycle import Tick, build_watched
from monitor.model.problems import PROBLEM_REASONS
from monitor.publish.metrics.collector import MetricsCollector
from monitor.publish.metrics.exposition import exposition
from monitor.publish.metrics.instruments import Instruments
from monitor.sources.remedies import REMEDIES
from tests.e2e.alerting import needed, server
from tests.worlds.process import free_port

BEGAN, ENDED = datetime(2026, 1, 30, tzinfo=UTC), datetime(2026, 2, 8, tzinfo=UTC)  # the haze begins on 1 February
STEP = timedelta(hours=8)
SCRAPE = timedelta(minutes=30)
JOB = 'instance="127.0.0.1:9464",job="calwatch"'
POLICY = 'policy = "precision>=0.9"'  # the demo's own policy promises nothing


@dataclass(frozen=True, slots=True)
class Asked:
    """A Prometheus to ask; times are those of the playback."""

    url: str

    def instant(self, query: str, at: datetime) -> list[dict[str, Any]]:
        return self._series("query", query=query, time=_seconds(at))

    def ranged(self, query: str, step: timedelta = timedelta(hours=1)) -> list[dict[str, Any]]:
        return self._series("query_range", query=query, start=_seconds(BEGAN), end=_seconds(ENDED),
                            step=str(step.total_seconds()))  # fmt: skip

    def label_values(self, label: str, metric: str) -> list[str]:
        found = self._get(
            f"label/{label}/values", **{"match[]": metric, "start": _seconds(BEGAN), "end": _seconds(ENDED)}
        )
        assert isinstance(found, list)
        return found

    def _series(self, path: str, **parameters: str) -> list[dict[str, Any]]:
        found = self._get(path, **parameters)
        assert isinstance(found, dict)
        result: list[dict[str, Any]] = found["result"]
        return result

    def _get(self, path: str, **parameters: str) -> object:
        """What stands under ``data`` in the answer; urllib raises HTTPError for a query that Prometheus refuses."""
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            found: object = json.load(answer)["data"]
        return found


def _seconds(at: datetime) -> str:
    return str(at.timestamp())


def times() -> Sequence[datetime]:
    """When the played calwatch ended a cycle."""
    return list(backtest.tick_times(BEGAN, ENDED, STEP))


def _play(base: Path) -> list[tuple[datetime, str]]:
    """The text of /metrics after each cycle."""
    registry = CollectorRegistry()
    gauges, instruments = MetricsCollector(registry), Instruments(registry)
    told: list[tuple[datetime, str]] = []

    def each_tick(now: datetime, tick: Tick) -> None:
        gauges.swap_snapshot(
            replace(tick.published, played=False)
        )  # as a daemon shows it: alerts leave out what is played
        told.append((now, exposition(registry).decode()))

    with as_file(files("monitor.cli.demo")) as bundled:
        text = (bundled / "calwatch.toml").read_text("utf-8")
        assert 'policy = "cost:fp=4,fn=1"' in text
        text = text.replace('policy = "cost:fp=4,fn=1"', POLICY).replace("digits-*", f"{bundled}/digits-*")
        (base / "rules.toml").write_text((bundled / "rules.toml").read_text("utf-8"), "utf-8")
        (base / "calwatch.toml").write_text(text, "utf-8")
        config = load_config(base / "calwatch.toml")
        instruments.record_reload(True, BEGAN)  # from here to expect(): what the daemon does when it starts
        for each in build_watched(config):
            instruments.expect_model(
                each.model.name, sources=["samples"], rules=[rule.name for rule in each.rulebook],
                quarantine_reasons=tuple(REMEDIES), problem_reasons=PROBLEM_REASONS,
            )  # fmt: skip
        # backtest keeps its counters to itself
        with patch.object(backtest, "Instruments", lambda _: instruments):
            result = backtest.play_history(config, base / "state", BEGAN, ENDED, STEP, each_tick=each_tick)
    assert not result.failures, result.failures
    return told


def _scraped(told: Sequence[tuple[datetime, str]], path: Path) -> None:
    """OpenMetrics text of all scrapes: each cycle's series over and over until the next cycle."""
    with path.open("w", encoding="utf-8") as sink:
        for now, text in told:
            rows = [_targeted(row) for row in text.splitlines() if not row.startswith("#")]
            rows += [
                f"up{{{JOB}}} 1",
                f"scrape_samples_scraped{{{JOB}}} {len(rows)}",
                f"scrape_duration_seconds{{{JOB}}} 0.02",
            ]
            for at in backtest.tick_times(now, now + STEP - SCRAPE, SCRAPE):
                stamp = int(at.timestamp())
                sink.writelines(f"{row} {stamp}\n" for row in rows)
        sink.write("# EOF\n")


def _targeted(row: str) -> str:
    """The row with the labels that Prometheus adds to every series of a target."""
    series, _, value = row.rpartition(" ")
    name, brace, labels = series.partition("{")
    return f"{name}{{{JOB},{labels} {value}" if brace else f"{name}{{{JOB}}} {value}"


@contextmanager
def played(base: Path) -> Iterator[Asked]:
    """Prometheus over those nine days. Skips where Prometheus is missing."""
    prometheus, promtool = needed("prometheus"), needed("promtool")
    _scraped(_play(base), base / "scraped.txt")
    series = base / "series"
    build = [promtool, "tsdb", "create-blocks-from", "--max-block-duration=720h", "openmetrics"]
    built = run([*build, base / "scraped.txt", series], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    (base / "prometheus.yml").write_text("{}\n", "utf-8")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with server(
        "prometheus", f"{url}/-/ready", base / "prometheus.log",
        prometheus, f"--config.file={base / 'prometheus.yml'}", f"--storage.tsdb.path={series}",
        "--storage.tsdb.retention.time=100y", f"--web.listen-address=127.0.0.1:{port}",
        f"--query.lookback-delta={int(2 * SCRAPE.total_seconds())}s",
    ):  # fmt: skip
        yield Asked(url)
