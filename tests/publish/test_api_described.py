"""The description of the API: complete, with an example of every answer that is one, and refusals of one form."""

import re
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import TypeAdapter

from monitor.publish.web.api.app import create_api
from monitor.publish.web.api.openapi import EXAMPLES
from monitor.publish.web.app import create_app
from tests.worlds.api import World, api_world

API = "/api/v1"
PROBLEM = {"$ref": "#/components/schemas/Problem"}


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, APIRoute]:
    with api_world(tmp_path_factory.mktemp("described")) as world:
        apps = [create_api(world, world.levers, now=lambda: world.now), _whole(world)]
    found = [route for app in apps for route in _routes(app)]
    return {route.name: route for route in found if route.include_in_schema}


def _whole(world: World) -> FastAPI:
    return create_app(world, now=lambda: world.now, access=world.levers.access, control=world.levers)


def _routes(held: Any) -> list[APIRoute]:
    """All routes, also those of routers that are included as wholes."""
    found: list[APIRoute] = []
    for route in getattr(held, "routes", ()):
        if isinstance(route, APIRoute):
            found.append(route)
        elif hasattr(route, "original_router"):
            found += _routes(route.original_router)
    return found


def descriptions(world: World) -> list[dict[str, Any]]:
    client = world.client("read")
    return [client.get(path).json() for path in ("/openapi.json", f"{API}/openapi.json")]


def test_every_answer_has_a_model_and_an_example_that_fits_it(routes: dict[str, APIRoute]) -> None:
    assert routes.keys() - EXAMPLES.keys() == {"metrics"}
    assert EXAMPLES.keys() <= routes.keys()
    for name, example in EXAMPLES.items():
        model = routes[name].response_model
        assert model is not None, name
        adapter = TypeAdapter(model)
        shown = adapter.dump_python(adapter.validate_python(example), mode="json", exclude_unset=True)
        assert shown == example, name


def test_every_refusal_has_the_one_form_and_every_change_needs_a_token(tmp_path: Path) -> None:
    with api_world(tmp_path) as world:
        for described in descriptions(world):
            assert described["openapi"].startswith("3.1")
            assert described["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
            assert "HTTPValidationError" not in described["components"]["schemas"]
            for path in described["paths"].values():
                for method, operation in path.items():
                    assert ({} in operation["security"]) == (method == "get")
                    assert re.fullmatch("[a-z_]+", operation["operationId"])
                    for status, answer in operation["responses"].items():
                        schema = answer["content"].get("application/json", {}).get("schema")
                        if not status.startswith("2") and operation["operationId"] not in ("healthz", "readyz"):
                            assert schema == PROBLEM, (operation["operationId"], status)
                            assert answer["description"]


@pytest.mark.parametrize(
    ("method", "path", "request_", "status"),
    [
        ("GET", "/nowhere", {}, 404),
        ("GET", f"{API}/nowhere", {}, 404),
        ("GET", f"{API}/readings?model=none", {}, 404),
        ("DELETE", f"{API}/models", {}, 405),
        ("GET", f"{API}/readings?limit=none&offset=-1", {}, 422),
        ("POST", f"{API}/models/m/jobs", {"content": b'{"kind": NaN}'}, 422),
        ("POST", f"{API}/models/m/jobs", {"content": b'{"kind": "recalibrate", "slice": "camera=\\ud800"}'}, 422),
        ("POST", f"{API}/models/m/jobs", {"content": b"{"}, 422),
        ("POST", f"{API}/models/m/jobs", {"content": b'{"kind": "' + b"a" * 70_000 + b'"}'}, 413),
        ("POST", f"{API}/models/m/samples", {"content": b"[1]"}, 422),
    ],
)
def test_refusals_are_sentences(tmp_path: Path, method: str, path: str, request_: dict[str, Any], status: int) -> None:
    with api_world(tmp_path) as world:
        world.tick()
        headers = {"Content-Type": "application/json"} if "content" in request_ else {}
        answer = world.client("admin").request(method, path, headers=headers, **request_)
    assert answer.status_code == status
    told = answer.json()
    assert isinstance(told["detail"], str)
    assert len(answer.content) < 1000, "what was sent is not sent back"
    assert all(isinstance(mistake, str) for mistake in told.get("mistakes", ()))


def test_head_is_answered_wherever_get_is_and_has_no_body(tmp_path: Path) -> None:
    with api_world(tmp_path) as world:
        world.tick()
        client = world.client()
        for path in ("/", "/metrics", "/healthz", "/style.css", f"{API}/models"):
            shown, head = client.get(path), client.head(path)
            assert (head.status_code, head.content) == (200, b"")
            assert head.headers["content-type"] == shown.headers["content-type"]
        assert client.head(f"{API}/jobs/none").status_code == 404
        assert client.head("/-/reload").status_code == 405


def test_a_mistake_of_ours_is_logged_and_answered_without_a_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise RuntimeError("a secret path")

    with api_world(tmp_path) as world:
        monkeypatch.setattr(world, "history", broken)
        answer = world.client().get(f"{API}/jobs")
        assert (answer.status_code, "secret" in answer.text) == (500, False)
        assert answer.json() == {"detail": "this failed by a mistake in calwatch: its log says more"}
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_pages_of_pulls_quarantine_and_calibrators_follow_each_other(tmp_path: Path) -> None:
    with api_world(tmp_path) as world:
        writer = world.client("write")
        for number in range(5):
            row = {"sample_id": f"s{number}", "observed_at": "2026-03-01T06:00:00Z", "score": 7}
            writer.post(f"{API}/models/m/samples", json=[row])
            world.tick()
        ask = world.connection.execute
        for number in range(3):
            ask(
                "INSERT INTO calibrators SELECT $id, 'm', 'all', 'platt', NULL, $at, $at, $at, $at, $at, '{}', '{}', '{}'",
                {"id": f"{number:016x}", "at": f"2026-03-01 0{number}:00:00"},
            )
            ask(
                "INSERT INTO serving BY NAME SELECT 'm' AS model, 'all' AS scope, $id AS calibrator, $at::TIMESTAMP AS since, "
                "$until::TIMESTAMP AS until",
                {"id": f"{number:016x}", "at": f"2026-03-01 0{number}:00:00",
                 "until": None if number == 2 else f"2026-03-01 0{number + 1}:00:00"},
            )  # fmt: skip
        for path, key, total in (
            ("/pulls?model=m", "items", 5), ("/quarantine?model=m", "newest", 5), ("/calibrators?every=true", "items", 3),
        ):  # fmt: skip
            whole = writer.get(f"{API}{path}&limit=1000").json()
            assert (whole["total"], len(whole[key]), whole["next_offset"]) == (total, total, None)
            offset, collected = 0, []
            while offset is not None:
                page = writer.get(f"{API}{path}&limit=2&offset={offset}").json()
                collected += page[key]
                assert page["total"] == total
                offset = page["next_offset"]
            assert collected == whole[key]
        every = writer.get(f"{API}/calibrators?every=true").json()["items"]
        assert [(item["calibrator"][-1], item["in_charge"]) for item in every] == [
            ("2", True),
            ("1", False),
            ("0", False),
        ]
