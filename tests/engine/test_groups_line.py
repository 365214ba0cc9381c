"""A classifier of clips, a detector of images, and samples by themselves in one calwatch: each surface says what there is."""

import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from rich.console import Console
from typer.testing import CliRunner

from monitor.cli import output
from monitor.cli.app import app
from monitor.cli.output import _tell_models, tell_slices
from monitor.jobs.actions.context import load_context
from monitor.jobs.actions.delivery import Delivery
from monitor.model import DisparityRule, DriftRule, ModelStatus, Reading, ThresholdRule, tell_reason
from monitor.publish.metrics.collector import MetricsCollector
from monitor.publish.report.collect import collect_report
from monitor.publish.report.words import summarise_report, tell_unknowns
from monitor.rules.conditions import disparity_findings, drift_findings, threshold_findings
from monitor.store.published.history import History
from monitor.store.published.queries import Snapshot
from monitor.store.published.reader_pool import Archive
from monitor.store.readings import load_readings
from tests.worlds.boxes_line import Habits, detector_section, make_images
from tests.worlds.line import BEGAN, DAY, HOUR, Line, line, model_section, traffic, write_config, write_file
from tests.worlds.page import Site

NOW = BEGAN + 2 * DAY
DRIFT = """
[[rule]]
name = "drift"
kind = "drift"
severity = "page"
tolerance = {}
[[rule]]
name = "since-deployed"
kind = "drift"
severity = "info"
reference = "deployment"
reference_samples = 5000
[[rule]]
name = "few"
kind = "threshold"
metric = "ece_upper"
above = 0.9
window = "24h"
min_samples = 3000
severity = "info"
[[rule]]
name = "slice-worse"
kind = "disparity"
measure = "gap"
above = 0.0
window = "24h"
severity = "info"
"""


class Told:
    """What was published, and the line that did."""

    def __init__(self, here: Line, site: Site, base: Path) -> None:
        self.here, self.site, self.base = here, site, base

    def status(self, name: str) -> ModelStatus:
        assert self.site.published is not None
        return next(each for each in self.site.published.models if each.name == name)

    def reading(self, name: str, text: str = "all", window: str = "24h") -> Reading:
        held = self.status(name).readings
        return next(each for each in held if each.slice.text == text and each.window == window)

    def reason(self, name: str, rule: str, text: str = "all") -> str:
        alerts = self.status(name).alerts
        return next(each.reason for each in alerts if each.rule == rule and each.slice.text == text)

    def found(self, name: str, rule: str, text: str = "all") -> str:
        """What a rule says of a slice now, also where no alert ever was."""
        status = self.status(name)
        own = next(each for each in status.rules if each.name == rule)
        if isinstance(own, DriftRule):
            said = drift_findings(own, status.evidence, {}, NOW)
        elif isinstance(own, ThresholdRule):
            said = threshold_findings(own, status.readings, {})
        else:
            assert isinstance(own, DisparityRule)
            with self.here.connection.cursor() as cursor:
                held = History(cursor, live=True).disparities(name)
            said = disparity_findings(own, tuple(held), {})
        return next(tell_reason(each.why) for (_, slice_), each in said.items() if slice_.text == text)

    def answer(self, *words: str) -> str:
        done = CliRunner().invoke(app, [*words, "--config", str(self.base / "calwatch.toml")])
        assert done.exit_code == 0, done.output
        return done.stdout

    def asked(self, path: str) -> Any:
        found = self.site.client.get(path)
        assert found.status_code == 200, found.text
        return found.json()

    def page(self, path: str) -> str:
        found = self.site.client.get(path)
        assert found.status_code == 200, found.text
        return " ".join(re.sub(r"<[^>]+>", "", found.text).split())


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """Two days: over-confident scores of clips of ten, and of samples by themselves; and a hundred images of a detector."""
    base = tmp_path_factory.mktemp("groups")
    boxes = detector_section('policy = "precision>=0.8"', extra="min_samples = 50").replace(
        'name = "m"', 'name = "boxes"', 1
    )
    write_config(
        base, model_section("clips", path="clips/*", extra='group_noun = "clip"'), model_section("plain", path="plain/*"),
        boxes.replace("rules = []", 'rules = ["own.toml"]'),
    )  # fmt: skip
    (base / "own.toml").write_text((base / "own.toml").read_text("utf-8") + DRIFT, "utf-8")
    for name in ("images", "detections", "truth"):
        (base / name).mkdir()
    rng = np.random.default_rng(5)
    for name, columns in make_images(rng, "i", 100, (BEGAN, NOW - HOUR), Habits()).items():
        write_file(base / name / "all.parquet", columns)
    with line(base) as here:
        for hour in range(48):
            span = BEGAN + hour * HOUR, BEGAN + (hour + 1) * HOUR
            columns = traffic(rng, f"h{hour}", *span, 50, temperature=3.0)
            write_file(base / "plain" / f"{hour:02}.parquet", columns)
            columns["group_id"] = np.array([f"clip-{hour}-{index // 10}" for index in range(50)], dtype=object)
            write_file(base / "clips" / f"{hour:02}.parquet", columns)
            if hour >= 46:
                tick = here.tick(span[1], publish=hour == 47)
                assert not tick.failed
        archive = Archive(here.connection)
        yield Told(here, Site(tick.published, NOW, here.cycle.config, archive), base)
        assert archive.close()


def test_readings_carry_the_number_of_groups_and_their_name(told: Told) -> None:
    clips, plain, boxes = (told.reading(name) for name in ("clips", "plain", "boxes"))
    assert (clips.samples, clips.groups, clips.group_noun) == (1200, 120, "clip")
    assert (plain.samples, plain.groups, plain.group_noun) == (1200, None, None)
    assert boxes.group_noun == "image"
    assert boxes.groups is not None
    assert 10 < boxes.groups <= 100
    assert boxes.samples > boxes.groups


def test_a_slice_counts_the_groups_that_have_a_sample_in_it(told: Told) -> None:
    whole, night = told.reading("clips"), told.reading("clips", "camera=c1,lighting=night")
    assert whole.groups is not None
    assert night.groups is not None
    # a clip of ten has on average one or two samples there, and many clips have none
    assert 0 < night.groups < min(night.samples + 1, whole.groups)


@pytest.mark.parametrize("name", ["clips", "plain", "boxes"])
def test_a_restart_has_the_same_groups(name: str, told: Told) -> None:
    kept = {(each.slice, each.window): each for each in load_readings(told.here.connection, name)}
    shown = told.status(name).readings
    assert len(kept) == len(shown)
    for each in shown:
        held = kept[each.slice, each.window]
        assert (held.groups, held.group_noun) == (each.groups, each.group_noun)


def test_alerts_of_clips_say_clips_first(told: Told) -> None:
    assert "over 24h (120 clips, 1,200 samples)" in told.reason("clips", "ece-high")
    assert "(120 clips, 1,200 samples of 3,000 needed)" in told.found("clips", "few")
    compared = told.found("clips", "slice-worse", "camera=c1")
    assert re.search(r"over 24h \(\d+ clips, \d+ samples, rest \d+ samples\)", compared)
    assert re.search(r"on \d+ labelled clips\)", told.reason("clips", "drift"))
    assert "its reference lacks 4,760 labelled clips" in told.found("clips", "since-deployed")


def test_alerts_of_samples_by_themselves_say_what_they_said(told: Told) -> None:
    assert "over 24h (1,200 samples)" in told.reason("plain", "ece-high")
    assert "(1,200 samples, 3,000 needed)" in told.found("plain", "few")
    assert re.search(r"over 24h \(\d+ samples, rest \d+\)", told.found("plain", "slice-worse", "camera=c1"))
    assert re.search(r"on [\d,]+ labelled samples\)", told.reason("plain", "drift"))
    assert "its reference lacks 2,600 labelled samples" in told.found("plain", "since-deployed")


def test_alerts_of_a_detector_say_images(told: Told) -> None:
    boxes = told.reading("boxes")
    assert f"({boxes.groups} images, {boxes.samples} samples of 3,000 needed)" in told.found("boxes", "few")
    assert re.search(r"on \d+ labelled images\)", told.reason("boxes", "drift"))
    lacking = re.search(r"its reference lacks ([\d,]+) labelled images", told.found("boxes", "since-deployed"))
    assert lacking is not None
    # an image with boxes counts once
    assert lacking[1] == f"{5000 - (told.reading('boxes', window='7d').groups or 0):,}"


def test_reasons_hold_the_groups_as_values(told: Told) -> None:
    found = {(each.rule, each.slice.text): each.why.values for each in told.status("clips").alerts}
    assert (found["ece-high", "all"]["groups"], found["ece-high", "all"]["noun"]) == (120, "clip")
    assert found["drift", "all"]["noun"] == "clip"
    plain = [each.why.values for each in told.status("plain").alerts]
    assert not any({"groups", "noun"} & values.keys() for values in plain)


def test_status_says_groups_beside_samples_where_a_model_has_some(told: Told) -> None:
    said = told.answer("status")
    assert re.search(r"│ clips +│[^│]+│ 7d +│ +2,400 in 240 clips │", said)
    assert re.search(r"│ plain +│[^│]+│ 7d +│ +2,400 │", said)
    assert re.search(r"│ boxes +│[^│]+│ 7d +│ +\d+ in \d+ images │", said)
    rows = {row["model"]: row for row in json.loads(told.answer("status", "--json"))["models"]}
    assert (rows["clips"]["groups"], rows["clips"]["group_noun"]) == (240, "clip")
    assert (rows["plain"]["groups"], rows["plain"]["group_noun"]) == (None, None)


def test_slices_say_groups_beside_samples(told: Told) -> None:
    clips, plain, boxes = (told.answer("slices", "--model", name) for name in ("clips", "plain", "boxes"))
    assert re.search(r"│ all +│ 24h +│ +1,200 in 120 clips │", clips)
    assert re.search(r"│ all +│ 24h +│ +1,200 │", plain)
    assert re.search(r"│ all +│ 24h +│ +\d+ in \d+ images │", boxes)


@pytest.mark.parametrize("tell", [_tell_models, tell_slices])
def test_at_a_hundred_columns_no_number_of_a_table_is_broken(
    tell: Callable[[Sequence[Mapping[str, Any]]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = io.StringIO()
    monkeypatch.setattr(output, "out", Console(file=printed, width=100, highlight=False))
    numbers = dict.fromkeys(("ece", "ece_lower", "ece_upper", "calibration_gap", "ece_debiased", "ece_null_quantile",
                             "brier_score", "auroc", "label_coverage"), 0.0812)  # fmt: skip
    row = {"model": "vans", "version": "v3", "window": "7d", "samples": 24_102, "groups": 2_931, "group_noun": "image",
           "state": "ok", "slice": "camera=c1", "firing": 2, "pending": 0, "unknown": 1, **numbers}  # fmt: skip
    tell([row, {**row, "groups": None, "group_noun": None}])
    words = printed.getvalue().replace("│", " ").split()
    assert words.count("24,102") == 2
    assert {"2,931", "images", "0.081", "+0.081"} <= set(words)
    assert max(map(len, printed.getvalue().splitlines())) <= 100


def test_prometheus_has_the_number_of_groups_and_nothing_of_samples_by_themselves(told: Told) -> None:
    registry = CollectorRegistry()
    MetricsCollector(registry).swap_snapshot(told.site.published)
    text = generate_latest(registry).decode()
    groups = [each for each in text.splitlines() if each.startswith("calwatch_groups{")]
    whole = [
        each
        for each in groups
        if 'camera="",lighting="",' in each and 'model="clips"' in each and 'window="24h"' in each
    ]
    assert [each.rpartition(" ")[2] for each in whole] == ["120.0"]
    assert not any('model="plain"' in each for each in groups)
    assert any('model="boxes"' in each for each in groups)


def test_the_api_gives_groups_or_null(told: Told) -> None:
    for name, noun in (("clips", "clip"), ("plain", None), ("boxes", "image")):
        items = told.asked(f"/api/v1/readings?model={name}&window=24h")["items"]
        whole = next(each for each in items if each["slice"] == "all")
        assert (whole["groups"], whole["group_noun"]) == (told.reading(name).groups, noun)
        evidence = told.asked(f"/api/v1/evidence?model={name}")["items"]
        assert {each["group_noun"] for each in evidence} == {noun}


def test_pages_say_what_samples_come_in_and_what_evidence_promises_of_it(told: Told) -> None:
    clips, plain, boxes = (
        told.page(f"/slice?model={name}&slice=all&window=24h") for name in ("clips", "plain", "boxes")
    )
    assert "120 clips (1,200 labelled samples) over 24h" in clips
    assert "1,200 labelled samples over 24h" in plain
    assert "images (" in boxes
    assert "given all scores of the clip and the past" in clips
    assert "given all scores of the image and the past" in boxes
    assert "given all scores" not in plain
    assert "4,760 clips are still to come" in clips
    assert re.search(r"drift: [\d.]+ of the limit[^:]*, of clips since", clips)
    assert re.search(r"drift: [\d.]+ of the limit[^:]*, of samples since", plain)
    assert "2,600 samples are still to come" in plain
    assert "1,200 in 120 clips" in told.page("/model?model=clips&window=24h")
    assert "1,200 in" not in told.page("/model?model=plain&window=24h")
    rules = told.page("/rules?model=clips")
    assert "not judged yet: 4,760 clips still to come" in rules
    assert "given all scores of the clip and the past" in rules


def test_reports_and_messages_say_groups(told: Told) -> None:
    with Snapshot(told.here.cycle.config.state_dir) as held:
        clips, plain = (" ".join(summarise_report(collect_report(held, name))) for name in ("clips", "plain"))
        unknown = " ".join(tell_unknowns(collect_report(held, "boxes")))
    assert "on 240 clips (2,400 labelled samples);" in clips
    assert "on 2,400 labelled samples;" in plain
    assert "clip" not in plain
    assert re.search(r"camera=\w+[^(]*\(\d+ images, \d+ samples\)", unknown) or "too few" not in unknown
    alert = {"slice": "all", "version": "", "fired_at": None}
    for name, said in (
        ("clips", "240 clips (2,400 labelled samples) over 7d"),
        ("plain", ", 2,400 labelled samples over 7d"),
    ):
        payload = {"model": name, "alert": alert}
        directory = told.here.cycle.config.state_dir
        delivery = Delivery(None, payload, "key", 1, NOW, told.base, directory)  # type: ignore[arg-type]  # calls nobody
        assert said in load_context(delivery, draw=False).sure


def test_history_keeps_the_groups_of_a_reading(told: Told) -> None:
    with told.here.connection.cursor() as cursor:
        rows = cursor.execute(
            "SELECT DISTINCT model, group_noun, groups IS NULL FROM readings WHERE slice = 'all' ORDER BY model"
        ).fetchall()
    assert rows == [("boxes", "image", False), ("clips", "clip", False), ("plain", None, True)]
