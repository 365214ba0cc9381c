"""A tuned detector on the page and in the API: points, the picture of its trade-off, and the job asked for."""

from collections.abc import Iterator

import numpy as np
import pytest

from monitor.jobs.requests import REQUESTS
from tests.worlds.api import World, api_world
from tests.worlds.boxes_line import NOW, Habits, detector_section, make_images
from tests.worlds.line import BEGAN, write_file

API = "/api/v1"


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A detector whose precision is promised by class; asked for through the API."""
    base = tmp_path_factory.mktemp("tuned")
    section = detector_section('policy = "precision>=0.95"\nper = ["predicted_class"]')
    rng = np.random.default_rng(3)
    for name, columns in make_images(rng, "f", 900, (BEGAN, NOW), Habits()).items():
        write_file(base / name / "1.parquet", columns)
    with api_world(base, section) as held:
        held.now = NOW
        held.tick()
        asked = held.client("write").post(f"{API}/models/m/jobs", json={"kind": "tune"})
        assert asked.status_code == 202
        assert len(list((base / "state" / REQUESTS).glob("*.json"))) == 1
        held.tick()
        yield held


def test_the_job_and_its_points_are_in_the_api(tuned: World) -> None:
    client = tuned.client()
    (job,) = client.get(f"{API}/jobs", params={"kind": "tune"}).json()["items"]
    assert job["state"] == "promoted"
    assert {reason["code"] for reason in job["why"]} >= {"tune_accepted", "point_promised"} if "why" in job else True
    own = [
        each for each in client.get(f"{API}/thresholds", params={"curve": True}).json()["items"] if each["class_name"]
    ]
    (cat,) = [each for each in own if each["class_name"] == "cat"]
    assert (cat["tuned"], cat["nms_iou"] in (0.3, 0.5)) == (True, True)
    assert {point["nms_iou"] for point in cat["curve"]} == {0.3, 0.5, 0.8}
    assert all(point["fp_per_image"] is not None for point in cat["curve"])


def test_the_page_shows_the_suppression_and_draws_the_trade_off(tuned: World) -> None:
    client = tuned.client()
    page = client.get("/thresholds", params={"model": "m"}).text
    assert "after suppression at IoU" in page
    assert "tradeoff-boxes.svg" in page
    (cat,) = [each for each in client.get(f"{API}/thresholds").json()["items"] if each["class_name"] == "cat"]
    asked = {"model": "m", "scope": "all", "policy": cat["policy"], "calibrator": cat["calibrator"], "per": cat["per"]}
    drawn = client.get("/tradeoff-boxes.svg", params={**asked, "class_name": "cat"})
    assert drawn.status_code == 200
    for text in ("recall over truths", "false positives per image", f"in use {cat['threshold']:.4g}"):
        assert text in drawn.text
    assert client.get("/tradeoff-boxes.svg", params={**asked, "class_name": "cow"}).status_code != 200


def test_jobs_are_listed_by_kind(tuned: World) -> None:
    client = tuned.client()
    for kind, there in (("tune", True), ("rollback", False)):
        page = client.get("/jobs", params={"model": "m", "kind": kind})
        assert page.status_code == 200
        assert ("operating point" in page.text) is there
    (job,) = client.get(f"{API}/jobs", params={"kind": "tune"}).json()["items"]
    assert "tuned" in client.get("/job", params={"id": job["id"]}).text
