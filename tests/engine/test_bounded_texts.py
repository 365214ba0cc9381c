"""Texts of any size and kind through a whole cycle: metrics, page, status, snapshot and log stay small and whole."""

import re
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs
from typer.testing import CliRunner

from monitor.cli.app import app
from monitor.publish.metrics.collector import MetricsCollector
from monitor.publish.metrics.exposition import exposition
from monitor.store.published.reader_pool import Archive
from monitor.store.published.snapshot import SNAPSHOT
from tests.worlds.line import BEGAN, HOUR, Line, line, traffic, write_file
from tests.worlds.page import Site

NOW = BEGAN + 12 * HOUR
PAGES = ("/", "/model?model=m", "/intake?model=m", "/rules?model=m", "/settings")


def arrive(held: Line, name: str, **values: object) -> None:
    """A file of traffic with these values in all of its rows."""
    columns = traffic(held.rng, name, BEGAN, NOW, 600)
    columns |= {key: np.full(600, value, dtype=object) for key, value in values.items()}
    write_file(held.base / "in" / f"{name}.parquet", columns)


def metrics(held: Line, now: datetime = NOW) -> bytes:
    """What a scrape gives after a cycle."""
    collector = MetricsCollector(held.registry)
    collector.swap_snapshot(held.tick(now).published)
    return exposition(held.registry)


@pytest.mark.parametrize("column", ["version", "camera", "calibrator", "predicted_class"])
def test_a_value_of_ten_megabytes_leaves_metrics_page_snapshot_and_log_small(tmp_path: Path, column: str) -> None:
    with line(tmp_path) as held, capture_logs() as logs:
        arrive(held, "good")
        columns = traffic(held.rng, "bad", BEGAN, NOW, 3)
        columns[column] = np.array(["x" * 10_000_000, "y" * 10_000_000, "short"], dtype=object)
        write_file(held.base / "in" / "bad.parquet", columns)
        text = metrics(held)
        tick = held.tick(NOW + HOUR)
        assert not tick.failed
        assert len(text) < 1_000_000
        assert len(repr(logs)) < 100_000
        assert (tmp_path / "state" / SNAPSHOT).stat().st_size < 30_000_000
        archive = Archive(held.connection)
        client = Site(tick.published, NOW + HOUR, held.cycle.config, archive).client
        for page in PAGES:
            assert len(client.get(page).content) < 500_000, page
        assert archive.close()


ODD = [
    "nul\x00",
    "\x1b[2J",
    "cr\r",
    "line\nbreak",
    "tab\t",
    "a,b=c",
    '"quoted"',
    "<b>",
    "{{ 7 * 7 }}",
    "\u202eright",
    "e\u0301",
]


@pytest.mark.parametrize("value", ODD)
def test_odd_values_break_neither_metrics_nor_pages_nor_commands(tmp_path: Path, value: str) -> None:
    with line(tmp_path) as held:
        arrive(held, "odd", version=value, camera=value)
        text = metrics(held)
        families = list(text_string_to_metric_families(text.decode()))
        assert {
            sample.labels["camera"] for family in families for sample in family.samples if "camera" in sample.labels
        }
        assert b"\x00" not in text
        archive = Archive(held.connection)
        tick = held.tick(NOW + HOUR)
        client = Site(tick.published, NOW + HOUR, held.cycle.config, archive).client
        for page in PAGES:
            assert client.get(page).status_code in (200, 404), page
        assert archive.close()
    for command in (["status"], ["slices"], ["status", "--json"], ["slices", "--json"]):
        done = CliRunner().invoke(app, [*command, "--config", str(tmp_path / "calwatch.toml")])
        assert done.exit_code == 0, done.output
        assert not re.search(r"[\x00\x07\x1b\r]", done.output)


def test_folding_is_told_in_log_status_page_and_counter(tmp_path: Path) -> None:
    with line(tmp_path) as held:
        arrive(held, "good", version="v1")
        columns = traffic(held.rng, "junk", BEGAN, NOW, 300)
        columns["version"] = np.array([f"run-{index}" for index in range(300)], dtype=object)
        write_file(held.base / "in" / "junk.parquet", columns)
        with capture_logs() as logs:
            first = held.tick(NOW)
            held.tick(NOW + HOUR)
        told = [entry for entry in logs if entry.get("reason") == "values_folded"]
        assert len(told) == 1
        name = held.cycle.config.model[0].source[0].name
        assert held.counted("source_problems_total", model="m", source=name, reason="values_folded") == 1
        (folded,) = first.published.models[0].folded
        assert (folded.kind, folded.rows) == ("version", 201)
        client = Site(first.published, NOW, held.cycle.config, Archive(held.connection)).client
        for page in ("/", "/model?model=m", "/intake?model=m"):
            assert "not judged for drift" in client.get(page).text, page
    done = CliRunner().invoke(app, ["status", "--config", str(tmp_path / "calwatch.toml")])
    assert "WARNING m: more than 100 versions within retention" in done.output
