"""Drift that is not judged yet, since its reference does not stand: unknown wherever it is told; and versions told apart."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from monitor.cli.objects import tell_objects
from monitor.cli.output import tell_alerts, tell_slices, tell_status
from monitor.cli.versions import find_several, name_place, tell_unknown
from monitor.model import Evidence, ModelStatus, Published, Slice, Task
from monitor.publish.web.api.schemas import model_item
from monitor.publish.web.summary import Condition, summarise_model
from monitor.store.published.queries import Snapshot
from tests.worlds.line import BEGAN, DAY, HOUR, Line, line, model_section, traffic, write_file
from tests.worlds.page import Site
from tests.worlds.published import AT, make_alert

SINCE_THEN = """
[[rule]]
name = "since-then"
kind = "drift"
reference = "deployment"
reference_samples = 600
slices = ["all", "marginals"]
severity = "ticket"
"""
C1, C2 = Slice.of({"camera": "c1"}), Slice.of({"camera": "c2"})


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Line]:
    (tmp_path / "since.toml").write_text(SINCE_THEN, "utf-8")
    with line(tmp_path, model_section(rules="since.toml")) as held:
        yield held


def told(base: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    capsys.readouterr()
    with Snapshot(base / "state") as held:
        tell_status(held.status({"m": "7d"}))
    return capsys.readouterr().out.splitlines()


def unsure(base: Path) -> list[str]:
    with Snapshot(base / "state") as held:
        return [each.slice for each in held.unsure_alerts("m")]


def test_a_rule_that_gathers_its_reference_is_unknown_everywhere_until_it_stands(
    here: Line, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here.arrive(BEGAN, BEGAN + 5 * HOUR, 400)
    model = here.tick(BEGAN + 6 * HOUR).published.models[0]
    (line_,) = [each for each in told(tmp_path, capsys) if each.startswith("UNKNOWN m since-then")]
    assert line_.startswith("UNKNOWN m since-then on all: drift is not judged yet: its reference lacks 2")
    assert line_.endswith("; nor is it on 5 slices more")
    assert set(unsure(tmp_path)) >= {"all", "camera=c1", "lighting=day"}
    summary = summarise_model(model)
    assert summary.condition is Condition.UNKNOWN
    assert "since-then cannot be evaluated for all: drift is not judged yet: its reference lacks" in summary.reasons[0]
    assert (model_item(model).state, model_item(model).unknown) == ("unknown", 6)
    here.arrive(BEGAN + 5 * HOUR, BEGAN + 11 * HOUR, 500)
    model = here.tick(BEGAN + 12 * HOUR).published.models[0]
    (line_,) = [each for each in told(tmp_path, capsys) if each.startswith("UNKNOWN m since-then")]
    assert line_.startswith("UNKNOWN m since-then on camera=c1: "), "slices lack theirs still, the whole is judged"
    assert (summarise_model(model).condition, model_item(model).state) == (Condition.HEALTHY, "ok")
    assert unsure(tmp_path) == [], "a report is not in doubt over rare slices"


@pytest.mark.parametrize(("missing", "word"), [(67, "unknown"), (None, "healthy")])
def test_the_page_of_a_slice_that_is_not_judged_does_not_call_it_healthy(
    missing: int | None, word: str, small: Published
) -> None:
    status = small.models[0]
    held = Evidence("digits", "v1", "", "since-then", Slice(), AT - DAY, AT, 0.0, reference_missing=missing)
    own = replace(status, alerts=(), evidence=(held,))
    site = Site(Published(AT, (own,)), AT)
    page = site.client.get("/slice", params={"model": "digits", "slice": "all", "window": "24h"})
    assert page.status_code == 200
    assert f'class="state {word}">' in page.text.partition("<h1>")[2].partition("</h1>")[0]


def held(slice_: Slice, missing: int | None, version: str = "v1", rule: str = "r") -> Evidence:
    return Evidence("m", version, "", rule, slice_, AT - DAY, AT, 0.0, reference_missing=missing)


@pytest.mark.parametrize(
    ("evidence", "found"),
    [
        ((), ()),
        ((held(Slice(), 5), held(C1, 50)), (("v1", "all"),)),
        ((held(Slice(), None), held(C1, 50)), ()),
        ((held(C1, 50), held(C2, None)), ()),
        ((held(C1, 50), held(C2, 60)), (("v1", "camera=c1"), ("v1", "camera=c2"))),
        ((held(Slice(), None), held(Slice(), 5, "v2")), (("v2", "all"),)),
        ((held(Slice(), None), held(Slice(), 5, rule="other")), (("v1", "all"),)),
    ],
)
def test_a_rule_judges_nothing_of_a_version_yet_where_none_of_its_widest_slices_is_judged(
    evidence: tuple[Evidence, ...], found: tuple[tuple[str, str], ...]
) -> None:
    listed = ModelStatus("m", Task.BINARY, (), evidence=evidence).list_unjudged()
    assert tuple((each.version, each.slice.text) for each in listed) == found


# versions told apart


def versions(here: Line, *names: str) -> None:
    rng = np.random.default_rng(3)
    for name in names:
        rows = traffic(rng, name, BEGAN, BEGAN + 5 * HOUR, 900, temperature=9.0)
        rows["version"] = np.full(900, name, dtype=object)
        write_file(here.base / "in" / f"{name}.parquet", rows)
    here.tick(BEGAN + 6 * HOUR)


def test_lines_and_tables_name_the_version_only_where_a_model_has_several(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for names in (("v1",), ("v1", "v2")):
        with line(tmp_path / str(len(names)), model_section()) as here:
            versions(here, *names)
        with Snapshot(tmp_path / str(len(names)) / "state") as found:
            for limit in (100, 1):
                capsys.readouterr()
                tell_slices(found.slices("m", "24h", limit))
                head = capsys.readouterr().out.splitlines()[2]
                assert ("version" in head) is (len(names) > 1), limit
        firing = [each for each in told(tmp_path / str(len(names)), capsys) if each.startswith("FIRING")]
        where = [each.partition(" on ")[2].partition(": ")[0] for each in firing if " ece-high on all" in each]
        assert where == (["all"] if len(names) == 1 else ["all, version v1", "all, version v2"])


def test_two_versions_in_a_backtest_and_of_a_detector_have_a_column_of_their_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    one = make_alert()
    tell_alerts([one])
    assert "version" not in capsys.readouterr().out
    tell_alerts([one, replace(one, version="v2")])
    assert "version" in capsys.readouterr().out
    row = dict.fromkeys(("truths", "threshold_recall", "threshold_precision", "fp_per_image"), 0.5)
    rows = [{**row, "model": "m", "window": "24h", "slice": "all", "version": each} for each in ("v1", "v2")]
    tell_objects([{**each, "versions": 2} for each in rows], by_slice=True)
    assert "version" in capsys.readouterr().out
    tell_objects(rows[:1], by_slice=False)
    assert "version" not in capsys.readouterr().out


def test_absences_have_no_version_and_make_none() -> None:
    absent = {"model": "m", "version": "", "slice": "all"}
    first = {"model": "m", "version": "v1", "slice": "all"}
    assert find_several([absent, first]) == frozenset()
    several = find_several([absent, first, {**first, "version": "v2"}, {**first, "model": "n"}])
    assert several == {"m"}
    assert [name_place(each, several) for each in (absent, first)] == ["all", "all, version v1"]


def test_slices_that_are_not_judged_are_one_line_of_each_version_and_others_one_each() -> None:
    plain = {
        "model": "m",
        "rule": "ece",
        "version": "v1",
        "slice": "camera=c1",
        "code": "threshold_unknown",
        "reason": "few",
    }
    waits = {**plain, "rule": "drift", "code": "drift_not_judged", "reason": "not yet"}
    rows = [waits, {**waits, "slice": "all"}, {**waits, "version": "v2"}, plain, {**plain, "slice": "camera=c2"}]
    assert list(tell_unknown(rows, {"m"})) == [
        "UNKNOWN m ece on camera=c1, version v1: few",
        "UNKNOWN m ece on camera=c2, version v1: few",
        "UNKNOWN m drift on all, version v1: not yet; nor is it on 1 slice more",
        "UNKNOWN m drift on camera=c1, version v2: not yet",
    ]
