"""The report: one file that needs nothing else, tells what the snapshot knows and what nobody does, and prints well; and
its charts as PNG."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from monitor.config.settings import load_config
from monitor.engine.backtest import play_history
from monitor.model import Slice
from monitor.model.errors import UsageError
from monitor.publish.report import page as reportpage
from monitor.publish.report.collect import Report, collect_report
from monitor.publish.report.page import NO_CHARTS, report_page
from monitor.publish.report.words import name_state, summarise_report, tell_unknowns
from monitor.store.published.queries import Snapshot
from monitor.store.published.snapshot import SNAPSHOT

ROOT = Path(__file__).parents[2]
NIGHT = Slice.of({"camera": "c3", "lighting": "night"})
BEGAN, ENDED = datetime(2026, 1, 29, tzinfo=UTC), datetime(2026, 2, 9, tzinfo=UTC)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's days around the haze."""
    directory = tmp_path_factory.mktemp("report") / "state"
    config = load_config(ROOT / "monitor" / "cli" / "demo" / "calwatch.toml")
    play_history(config, directory, BEGAN, ENDED, timedelta(hours=8))
    return directory


@pytest.fixture(scope="module")
def snapshot(state: Path) -> Iterator[Snapshot]:
    with Snapshot(state) as opened:
        yield opened


@pytest.fixture(scope="module")
def report(snapshot: Snapshot) -> Report:
    return collect_report(snapshot, "digits")


@pytest.fixture(scope="module")
def page(report: Report) -> str:
    pytest.importorskip("vl_convert", reason="NOT TESTED: charts need the extra charts")
    return report_page(report, "the predicted class is right")


def test_it_covers_thirty_days_up_to_the_snapshot_unless_told(snapshot: Snapshot, report: Report) -> None:
    assert (report.until, report.since) == (ENDED, ENDED - timedelta(days=30))
    told = collect_report(snapshot, "digits", since=BEGAN, until=datetime(2026, 2, 5, tzinfo=UTC))
    assert (told.since, told.until) == (BEGAN, datetime(2026, 2, 5, tzinfo=UTC))
    assert told.whole is not None
    assert told.whole.window_end <= told.until
    assert all(row.fired_at <= told.until for row in told.alerts)
    assert all(point.at <= told.until for part in told.slices for point in part.points)
    assert not any(part.bars for part in told.slices)  # the snapshot keeps bars of the newest reading only
    assert any("bars of readings before the newest" in text for text in tell_unknowns(told))


def test_slices_in_trouble_are_told_in_full_and_one_asked_for_is_the_only_one(
    snapshot: Snapshot, report: Report
) -> None:
    names = [part.slice.text for part in report.slices]
    assert names[0] == "all"
    assert NIGHT.text in names
    only = collect_report(snapshot, "digits", slice_=NIGHT)
    assert [part.slice for part in only.slices] == [NIGHT]
    assert {event.slice for event in only.slices[0].events} <= {NIGHT.text, "camera=c3", "lighting=night", "all"}


def test_every_firing_is_there_with_its_end_and_its_onset(state: Path, report: Report) -> None:
    with duckdb.connect(str(state / SNAPSHOT), read_only=True) as connection:
        fired = connection.execute("SELECT count(*) FROM alert_events WHERE state = 'firing'").fetchone()
    assert fired == (len(report.alerts),)
    drift = [row for row in report.alerts if row.rule == "calibration-drift" and row.slice == NIGHT.text]
    assert drift
    assert all(row.onset is not None and row.onset <= row.fired_at for row in drift)
    assert all(row.resolved_at is None or row.resolved_at > row.fired_at for row in report.alerts)


def test_a_refit_shows_the_same_samples_before_and_after(report: Report) -> None:
    assert report.refits
    for each in report.refits:
        gate: Any = each.job.details["gate"]
        for bars in (each.before, each.after):
            assert sum(bar.samples for bar in bars) == gate["samples"]
            assert all(bar.low <= bar.mean_score <= bar.high for bar in bars if bar.mean_score is not None)


def test_the_summary_says_how_it_stands_since_when_and_how_sure(report: Report) -> None:
    text = " ".join(summarise_report(report))
    assert name_state(report) == "firing"
    assert re.search(r"\d+ alerts fire at the end of the period, the longest since 2026-02-0\d", text)
    assert re.search(r"All traffic over 7d until 2026-02-\d\d 00:00 UTC: debiased ECE 0\.\d{3} \(95 % interval", text)
    assert "labelled samples" in text
    quiet = replace(report, alerts=(), unsure=())
    assert name_state(quiet) == "quiet"
    assert summarise_report(quiet)[0] == "No alert fired in the period."


def test_what_is_unknown_is_said_and_never_a_zero(report: Report) -> None:
    nothing = replace(
        report, whole=None, worst=(), slices=(), refits=(), others=(), delays=None, readings=(), pulls=(),
        problem={"since": ENDED, "problem": "the disk is full"}, alerts=(),
    )  # fmt: skip
    assert name_state(nothing) == "unknown"
    assert "There is no reading of the whole in this period" in " ".join(summarise_report(nothing))
    silent = replace(nothing, last_sample_at=ENDED)
    assert f"The last sample is of {ENDED:%Y-%m-%d %H:%M} UTC." in " ".join(summarise_report(silent))
    said = " ".join(tell_unknowns(nothing))
    assert "the disk is full" in said
    assert "Whether label delay depends on the outcome: not looked at yet." in said
    assert "0.000" not in " ".join(summarise_report(nothing))
    assert "No slice has enough labelled samples." in report_page(nothing)


def test_the_file_fetches_nothing_and_runs_nothing(page: str) -> None:
    assert "<script" not in page
    assert "prefers-color-scheme" not in page
    addresses = set(re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?([^"')\s>]+)""", page))
    assert {address for address in addresses if not address.startswith("#")} == set()
    assert page.count("<svg") >= 3 * 3
    assert "default-src 'none'" in page


def test_no_two_charts_share_an_id(page: str) -> None:
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"url\(#([^)]+)\)", page)) <= set(ids)


def test_every_part_is_there(page: str, report: Report) -> None:
    for heading in (
        "Worst slices",
        "Alerts",
        "Refits",
        "Thresholds",
        "Labels and intake",
        "Quarantine",
        "What is not known",
    ):
        assert f">{heading}</h" in page
    for row in report.alerts:
        assert row.reason.split(" since ")[0].replace("&", "&amp;").replace(">", "&gt;") in page
    assert "A score is the probability that the predicted class is right." in page


def test_names_from_sources_stay_text(report: Report) -> None:
    evil = replace(report, model="<script>alert(1)</script>")
    assert "<script" not in report_page(evil)


def test_without_the_extra_it_is_tables_and_says_so(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reportpage, "can_draw", lambda: False)
    text = report_page(report)
    assert "<svg" not in text
    assert NO_CHARTS.replace("'", "&#39;") in text
    assert "Worst slices" in text


def test_a_model_a_slice_and_a_period_there_is_not_are_told(snapshot: Snapshot) -> None:
    with pytest.raises(UsageError, match='no readings of a model "digts"') as told:
        collect_report(snapshot, "digts")
    assert told.value.hint == "models with readings: digits"
    with pytest.raises(UsageError, match='no reading of slice "camera=c9"'):
        collect_report(snapshot, "digits", slice_=Slice.of({"camera": "c9"}))
    with pytest.raises(UsageError, match="must begin before it ends"):
        collect_report(snapshot, "digits", since=ENDED)


@pytest.mark.parametrize("chart", ["reliability", "ece", "evidence", "refit", "thresholds", "heat-map"])
def test_every_chart_comes_as_a_picture(snapshot: Snapshot, chart: str) -> None:
    pytest.importorskip("vl_convert", reason="NOT TESTED: charts need the extra charts")
    from monitor.charts import render as rendering
    from monitor.publish.report import charts as reportcharts

    shown = (
        Slice() if chart == "heat-map" else Slice.of({"camera": "c3", "lighting": "night"})
    )  # refitted in this period
    whole = collect_report(snapshot, "digits", slice_=shown)
    drawn = rendering.png(reportcharts.make_titled_chart(whole, chart), scale=1.0)
    assert drawn.startswith(b"\x89PNG")
    assert int.from_bytes(drawn[16:20]) > 200  # its width
    if chart != "heat-map":
        empty = replace(
            whole, refits=(), thresholds=(), slices=(replace(whole.slices[0], points=(), evidence=(), bars=()),)
        )
        with pytest.raises(UsageError, match=f"there is no {chart} chart of digits, {shown.text}"):
            reportcharts.make_titled_chart(empty, chart)


def test_chromium_prints_it_on_paper_without_a_lost_heading(page: str, tmp_path: Path) -> None:
    """Some twelve pages; none of them nearly empty but the last, and no heading alone at the end of one."""
    chromium, to_text = shutil.which("chromium"), shutil.which("pdftotext")
    if chromium is None or to_text is None:
        pytest.skip("NOT TESTED: printing needs chromium and poppler-utils (Debian)")
    (tmp_path / "report.html").write_text(page, "utf-8")
    subprocess.run(
        [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer", f"--user-data-dir={tmp_path}/u",
         f"--print-to-pdf={tmp_path}/report.pdf", (tmp_path / "report.html").as_uri()],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    told = subprocess.run(
        [to_text, "-layout", tmp_path / "report.pdf", "-"], check=True, capture_output=True, text=True
    )
    pages = told.stdout.rstrip("\f").split("\f")
    assert 6 <= len(pages) <= 16
    headings = set(re.findall(r"<h[23]>([A-Z][a-z ]+)", page))
    for number, text in enumerate(pages[:-1], 1):
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        assert len(lines) >= 5, f"page {number} is nearly empty"
        assert lines[-1] not in headings, f"page {number} ends with a heading"


@pytest.mark.parametrize("width", [390, 320])
def test_a_phone_needs_no_sideways_scrolling_and_slices_keep_their_words(page: str, width: int, tmp_path: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="NOT TESTED: needs playwright")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("NOT TESTED: needs chromium (Debian)")
    (tmp_path / "report.html").write_text(page, "utf-8")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": width, "height": 800})
        tab.goto(f"file://{tmp_path}/report.html")
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        heights = tab.evaluate(
            "[...document.querySelectorAll('tbody th')].map(each => each.getBoundingClientRect().height)"
        )
        browser.close()
    assert heights
    assert max(heights) < 60  # a slice takes as many lines as it has dimensions, not one for every few letters
