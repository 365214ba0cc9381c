"""What the API shows: the numbers of metrics.duckdb, unknown as null, filtered, by page; and a description of it all."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from fastapi.testclient import TestClient

from monitor.jobs.requests import REQUESTS
from monitor.model import COUNTS, METRICS, Slice
from monitor.model.errors import StoreError
from monitor.model.reasons import BY_HAND
from monitor.model.refits import job_of
from monitor.store import readings as rows
from monitor.store.published.snapshot import SNAPSHOT
from tests.worlds.api import World, api_world
from tests.worlds.line import BEGAN, DAY, HOUR, model_section, traffic, write_file

API = "/api/v1"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Two days of over-confident traffic, a refit promoted, bad rows, and a model that has nothing."""
    base = tmp_path_factory.mktemp("api")
    quiet = model_section("quiet", path="none/*", rules="")
    policy = '[model.threshold]\npolicy = "f1"'
    with api_world(base, model_section(extra="min_samples = 500", recalibration=policy), quiet) as held:
        (base / "none").mkdir()
        for day in range(2):
            columns = traffic(
                np.random.default_rng(day), f"d{day}", BEGAN + day * DAY, BEGAN + (day + 1) * DAY, 2500,
                temperature=3.0,
            )  # fmt: skip
            columns["score"][:3] = [1.5, float("nan"), -1]
            write_file(base / "in" / f"d{day}.parquet", columns)
            held.now = BEGAN + (day + 1) * DAY
            held.tick()
        held.client("write").post(f"{API}/models/m/jobs", json={"kind": "recalibrate"})
        held.now += HOUR
        held.tick()
        yield held


@pytest.fixture
def client(world: World) -> TestClient:
    return world.client()


def get(client: TestClient, path: str, **params: Any) -> Any:
    answer = client.get(API + path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def snapshot(world: World, sql: str) -> list[dict[str, Any]]:
    with duckdb.connect(str(world.config.state_dir / SNAPSHOT), read_only=True) as connection:
        cursor = connection.execute(sql)
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def moment(value: datetime) -> str:
    return value.replace(tzinfo=UTC).isoformat().replace("+00:00", "Z")


def test_readings_are_the_numbers_of_the_snapshot_one_by_one(world: World, client: TestClient) -> None:
    shown = get(client, "/readings", limit=1000)
    held = snapshot(world, "SELECT * FROM slice_newest JOIN slice_labels USING (slice)")
    assert shown["total"] == len(shown["items"]) == len(held) > 10
    by_key = {(row["version"], row["slice"], row["window"]): row for row in held}
    for item in shown["items"]:
        row = by_key[item["version"], item["slice"], item["window"]]
        for name in (*METRICS, *COUNTS, "state"):
            assert item[name] == row[name], f"{item['slice']} {name}"
        assert item["labels"] == row["labels"]
        assert item["window_end"] == moment(row["window_end"])
        assert item["reliability"] is None


def test_what_is_unknown_is_null_beside_its_state(client: TestClient, world: World) -> None:
    scarce = get(client, "/readings", state="insufficient", limit=1)["items"]
    assert all(scarce[0][name] is None for name in METRICS)
    assert (scarce[0]["state"], type(scarce[0]["samples"])) == ("insufficient", int)
    quiet = next(item for item in get(client, "/models")["items"] if item["name"] == "quiet")
    assert (quiet["state"], quiet["readings"], quiet["label_delay_depends_on_outcome"]) == ("waiting", 0, None)
    busy = next(item for item in get(client, "/models")["items"] if item["name"] != "quiet")
    assert (quiet["last_sample_at"], busy["last_sample_at"][:10]) == (None, f"{BEGAN + DAY:%Y-%m-%d}")


def test_filters_narrow_and_pages_follow_each_other(client: TestClient) -> None:
    everything = get(client, "/readings", limit=1000)["items"]
    night = get(client, "/readings", label=["lighting=night"], window="24h", limit=1000)["items"]
    assert night
    assert [
        item for item in everything if item["labels"].get("lighting") == "night" and item["window"] == "24h"
    ] == night
    both = get(client, "/readings", label=["camera=c3", "lighting=night"], limit=1000)["items"]
    assert {item["slice"] for item in both} == {"camera=c3,lighting=night"}
    (whole,) = get(client, "/readings", slice="all", window="7d", bars=True)["items"]
    assert len(whole["reliability"]) > 5
    assert get(client, "/readings", version="none")["total"] == 0
    offset, collected = 0, []
    while offset is not None:
        page = get(client, "/readings", limit=7, offset=offset)
        collected += page["items"]
        assert page["total"] == len(everything)
        offset = page["next_offset"]
    assert collected == everything


def test_the_course_of_a_slice_is_that_of_the_snapshot(world: World, client: TestClient) -> None:
    shown = get(client, "/history", model="m", window="24h", slice="camera=c3")
    held = snapshot(
        world,
        "SELECT window_end, ece, ece_lower, samples FROM slice_metrics WHERE model = 'm' AND slice = 'camera=c3' "
        "AND \"window\" = '24h' ORDER BY window_end",
    )
    assert [(p["at"], p["ece"], p["ece_lower"], p["samples"]) for p in shown["points"]] == [
        (moment(row["window_end"]), row["ece"], row["ece_lower"], row["samples"]) for row in held
    ]
    assert len(held) >= 2
    thinned = get(client, "/history", model="m", window="24h", slice="camera=c3", points=1)
    assert thinned["points"] == shown["points"][-1:]
    late = get(client, "/history", model="m", window="24h", slice="camera=c3", since=moment(held[0]["window_end"]))
    assert late["points"] == shown["points"][1:]


def test_alerts_rules_and_evidence_are_those_of_the_snapshot(world: World, client: TestClient) -> None:
    firing = get(client, "/alerts", state="firing", limit=1000)["items"]
    held = snapshot(world, "SELECT slice, reason, fired_at FROM alerts WHERE state = 'firing'")
    assert {(item["slice"], item["reason"], item["fired_at"]) for item in firing} == {
        (row["slice"], row["reason"], moment(row["fired_at"])) for row in held
    }
    (rule,) = get(client, "/rules", model="m")["items"]
    assert rule["alerts"].get("firing", 0) == len(firing) > 0
    assert get(client, "/evidence", model="m")["items"] == []
    assert get(client, "/evidence/history", model="m")["items"] == []


def test_jobs_calibrators_and_thresholds_are_shown_with_their_reasons_and_curves(client: TestClient) -> None:
    jobs = get(client, "/jobs", model="m")
    promoted = [job for job in jobs["items"] if job["state"] == "promoted"]
    assert promoted, jobs
    promoted.sort(key=lambda job: str(job["finished_at"]), reverse=True)
    one = get(client, f"/jobs/{promoted[0]['id']}")
    assert one["log"][0]["outcome"] == "promoted"
    assert one["reasons"]
    charge = [item for item in get(client, "/calibrators")["items"] if item["scope"] == promoted[0]["scope"]]
    assert charge[0]["calibrator"] == promoted[0]["details"]["calibrator"]
    assert charge[0]["adopted"] is None, "no sample has come since"
    chosen = get(client, "/thresholds", model="m", curve=True)["items"]
    assert chosen[0]["policy"] == "f1"
    assert len(chosen[0]["curve"]) > 5
    assert get(client, "/thresholds", model="m")["items"][0]["curve"] is None
    assert get(client, "/thresholds", curve=True)["items"] == chosen


def test_pulls_and_quarantine_are_those_of_the_snapshot(world: World, client: TestClient) -> None:
    pulls = get(client, "/pulls", model="m")["items"]
    assert (
        sum(pull["new"] for pull in pulls)
        == snapshot(world, "SELECT sum(new) AS n FROM pulls WHERE model = 'm'")[0]["n"]
    )
    shown = get(client, "/quarantine", model="m")
    held = snapshot(world, "SELECT reason, rows FROM quarantine_counts")
    assert {(count["reason"], count["rows"]) for count in shown["counts"]} == {
        (row["reason"], row["rows"]) for row in held
    }
    assert len(shown["newest"]) == 6
    only = get(client, "/quarantine", model="m", reason="score_outside_0_1")
    assert {row["reason"] for row in only["newest"]} == {"score_outside_0_1"}


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("/readings?model=none", 404, "there is no model 'none'"),
        ("/history?model=none&window=24h", 404, "there is no model 'none'"),
        ("/history?model=m", 422, "window"),
        ("/history?model=m&window=24h&since=2026-03-01T00:00:00", 422, "since must carry an offset"),
        ("/history?model=m&window=24h&slice=camera", 422, 'slice must be "all"'),
        ("/readings?label=camera", 422, 'label must be "dimension=value"'),
        ("/readings?limit=0", 422, "greater than or equal to 1"),
        ("/readings?limit=1001", 422, "less than or equal to 1000"),
        ("/readings?offset=-1", 422, "greater than or equal to 0"),
        ("/readings?state=fine", 422, "'ok' or 'insufficient'"),
        ("/jobs/none", 404, "there is no job 'none'"),
        ("/nowhere", 404, "nothing is served under this path: /api/v1/openapi.json lists what is"),
        ("/history?model=m&window=24h&until=0001-01-01T00:00:00Z", 422, "until must lie between 1971 and 9000"),
        ("/history?model=m&window=24h&since=9999-12-31T23:59:59-14:00", 422, "since must lie between"),
        ("/jobs?offset=99999999999999999999", 422, "offset: Input should be less than or equal to"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_reason(client: TestClient, path: str, status: int, told: str) -> None:
    answer = client.get(API + path)
    assert answer.status_code == status
    assert told in json.dumps(answer.json()["detail"]).replace('\\"', '"')


def test_before_the_first_cycle_lists_are_empty_and_say_that_nothing_is_known(tmp_path: Path) -> None:
    with api_world(tmp_path) as fresh:
        page = get(fresh.client(), "/readings")
        assert page == {"items": [], "total": 0, "next_offset": None, "published_at": None}


def test_a_database_that_cannot_be_asked_is_503(
    world: World, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed() -> None:
        raise StoreError("there is no database to ask now")

    monkeypatch.setattr(world, "history", closed)
    answer = client.get(f"{API}/jobs")
    assert (answer.status_code, answer.json()) == (503, {"detail": "there is no database to ask now"})


def test_the_description_names_every_path_type_and_refusal(client: TestClient) -> None:
    described = get(client, "/openapi.json")
    assert described["info"]["title"] == "calwatch"
    assert described["servers"] == [{"url": API}]
    assert set(described["paths"]) == {
        "/models", "/readings", "/history", "/alerts", "/rules", "/evidence", "/evidence/history", "/jobs", "/jobs/{job}",
        "/calibrators", "/thresholds", "/pulls", "/quarantine", "/waiting-labels", "/files-set-aside", "/folded-values",
        "/largest-errors",
        "/models/{model}/samples", "/models/{model}/samples/{push_id}", "/models/{model}/jobs", "/jobs/{job}/cancel",
        "/backups", "/backups/{backup_id}",
    }  # fmt: skip
    push = described["paths"]["/models/{model}/samples"]["post"]
    assert len(push["requestBody"]["content"]) == 4
    assert {"202", "409", "413", "415", "422", "429", "507"} <= push["responses"].keys()
    reading = described["components"]["schemas"]["ReadingItem"]
    assert set(METRICS) | set(COUNTS) <= reading["properties"].keys()
    null = {"type": "null"}
    assert all(null in reading["properties"][name]["anyOf"] for name in METRICS)
    for path in described["paths"].values():
        for operation in path.values():
            assert operation.get("summary")
            assert operation.get("description"), operation["summary"]


def test_a_job_is_asked_for_by_a_request_file_and_the_open_one_is_named_instead(tmp_path: Path) -> None:
    with api_world(tmp_path) as held:
        held.tick()
        writer = held.client("write")
        jobs = f"{API}/models/m/jobs"
        asked = writer.post(jobs, json={"kind": "rollback", "slice": "camera=c1", "to": "0123456789abcdef"})
        assert asked.status_code == 202
        (left,) = (held.config.state_dir / REQUESTS).glob("*.json")
        request = json.loads(left.read_text("utf-8"))
        assert (request["kind"], request["scope"], request["to"]) == ("rollback", "camera=c1", "0123456789abcdef")
        held.tick()
        assert get(held.client(), f"/jobs/{asked.json()['job']}")["trigger"] == "manual"

        later = job_of("m", "recalibrate", BY_HAND, Slice(), held.now)
        rows.store_job(held.connection, replace(later, attempts=1, next_attempt_at=held.now + timedelta(days=1)))
        held.tick()
        taken = writer.post(jobs, json={"kind": "recalibrate"})
        assert (taken.status_code, taken.json()["detail"]) == (409, f"job {later.id} does this already: it is queued")
        assert writer.post(f"{API}/jobs/{later.id}/cancel").status_code == 202
        held.tick()
        assert get(held.client(), f"/jobs/{later.id}")["state"] == "cancelled"
        again = writer.post(f"{API}/jobs/{later.id}/cancel")
        assert (again.status_code, again.json()["detail"]) == (409, f"job {later.id} has ended already: cancelled")
        assert writer.post(f"{API}/jobs/none/cancel").status_code == 404


@pytest.mark.parametrize(
    ("model", "body", "status"),
    [
        ("none", {"kind": "recalibrate"}, 404),
        ("m", {"kind": "delete"}, 422),
        ("m", {"kind": "recalibrate", "slice": "lens=3"}, 404),
        ("m", {"kind": "recalibrate", "slice": "camera"}, 422),
        ("m", {"kind": "recalibrate", "to": "0123456789abcdef"}, 422),
        ("m", {"kind": "rollback", "to": "../../x"}, 422),
        ("m", {"kind": "recalibrate", "force": True}, 422),
        ("m", {"kind": "tune"}, 422),
    ],
)
def test_a_job_that_does_not_fit_is_refused(tmp_path: Path, model: str, body: dict[str, Any], status: int) -> None:
    with api_world(tmp_path) as held:
        held.tick()
        assert held.client("write").post(f"{API}/models/{model}/jobs", json=body).status_code == status
        assert not (held.config.state_dir / REQUESTS).exists()


@pytest.mark.parametrize("kind", ["tune", "recalibrate"])
def test_a_job_for_a_slice_that_was_never_seen_is_refused(world: World, kind: str) -> None:
    asked = world.client("write").post(f"{API}/models/m/jobs", json={"kind": kind, "slice": "camera=none"})
    assert asked.status_code == 404
    assert "is not among" in asked.json()["detail"]
