"""Pages and API on alarms of drift: how many there were, and that a direction nobody looked for is unknown, not absent."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from html import unescape
from pathlib import Path

import duckdb
import pytest

from monitor.model import Evidence, ModelStatus, Published, Slice
from monitor.store.connection import open_live
from monitor.store.published.reader_pool import Archive
from tests.publish.pages import AT
from tests.worlds.page import Site

HOUR = timedelta(hours=1)
ALARMED = Evidence(
    model="digits", version="v1", calibrator="", rule="drift", slice=Slice(), opened=AT - 90 * HOUR, until=AT, ratio=0.2,
    alarm_at=AT - HOUR, alarm_ratio=3.0, onset=AT - 9 * HOUR, samples_since_onset=700, alarms=1022,
    direction="over-confident above 0.8 (expected 0.93, came true 0.81)",
)  # fmt: skip
QUIET = replace(ALARMED, alarm_at=None, alarm_ratio=None, onset=None, samples_since_onset=None, alarms=0, direction="")


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty database: pages of rules and slices ask for the past as well."""
    state: Path = tmp_path_factory.mktemp("state")
    connection = open_live(state, now=AT)
    yield connection
    connection.close()


def site_of(small: Published, evidence: Evidence, past: duckdb.DuckDBPyConnection) -> Site:
    digits: ModelStatus = small.models[0]
    return Site(Published(AT, (replace(digits, evidence=(evidence,)),)), AT, archive=Archive(past))


def said(site: Site, path: str) -> str:
    answer = site.client.get(path)
    assert answer.status_code == 200, answer.text
    return " ".join(unescape(re.sub("<[^>]*>", " ", answer.text)).split())


@pytest.mark.parametrize(
    ("evidence", "of_rules", "of_slice"),
    [
        (ALARMED, "of 1,022 2026-02-28 17:00 over-confident above 0.8", "(the newest of 1,022): over-confident above 0.8"),
        (replace(ALARMED, alarms=1), "2026-02-28 17:00 over-confident above 0.8", "begin anew: over-confident above 0.8"),
        (replace(ALARMED, direction=""), "17:00 no clear direction", "begin anew (the newest of 1,022)"),
        (
            replace(ALARMED, direction="", explained=False), "17:00 unknown",
            "(the newest of 1,022): in which direction is unknown",
        ),
        (QUIET, "none – –", "of samples since 2026-02-25 08:00"),
    ],
)  # fmt: skip
def test_pages_tell_no_direction_from_one_that_is_unknown_and_from_no_alarm(
    small: Published, past: duckdb.DuckDBPyConnection, evidence: Evidence, of_rules: str, of_slice: str
) -> None:
    site = site_of(small, evidence, past)
    assert of_rules in said(site, "/rules?model=digits")
    shown = said(site, "/slice?model=digits&slice=all")
    assert of_slice in shown
    assert ("is unknown" in shown.partition("Drift evidence against its limit")[2].partition("Events")[0]) is (
        not evidence.explained
    )


@pytest.mark.parametrize("evidence", [ALARMED, QUIET, replace(ALARMED, direction="", explained=False)])
def test_the_api_counts_alarms_and_says_whether_the_newest_is_explained(
    small: Published, past: duckdb.DuckDBPyConnection, evidence: Evidence
) -> None:
    (item,) = site_of(small, evidence, past).client.get("/api/v1/evidence?model=digits").json()["items"]
    assert (item["alarms"], item["direction"], item["explained"]) == (
        evidence.alarms, evidence.direction, evidence.explained,
    )  # fmt: skip
