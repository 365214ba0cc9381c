"""A running daemon is asked for what its description allows, and for what it does not: both must be right about each other."""

import json
import os
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.parameters import ParameterLocation
from schemathesis.core.result import Ok

from tests.worlds.api import PUSHED, TOKENS, token_sections
from tests.worlds.daemon import running
from tests.worlds.process import Running, free_port, wait_for

API = "/api/v1"
EXAMPLES = int(os.environ.get("CALWATCH_FUZZ", "5"))  # of each operation and mode; 500 takes an hour


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    base = tmp_path_factory.mktemp("fuzzed")
    with running(base, free_port(), PUSHED.format(extra="").replace("rules = []\n", ""), token_sections()) as held:
        held.wait_ready()
        fill(held)
        yield held


def asked_of(daemon: Running, path: str, body: object = None) -> Any:
    """The JSON of an answer to the admin; with a body it is posted."""
    headers = {"Authorization": f"Bearer {TOKENS['admin']}", "Content-Type": "application/json"}
    sent = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(
        urllib.request.Request(f"{daemon.url}{API}{path}", sent, headers), timeout=60
    ) as answer:
        return json.load(answer)


def fill(daemon: Running) -> None:
    """Give the model rows whose scores do not fit, so that rules fire, a bad row, and a job."""
    now = datetime.now(UTC)
    rows = [
        {
            "sample_id": f"s{number}", "observed_at": (now - timedelta(minutes=2 + number % 600)).isoformat(),
            "labelled_at": (now - timedelta(minutes=1)).isoformat(), "score": 0.9 - number % 5 / 100,
            "outcome": int(number % 4 == 0), "camera": f"c{number % 3}",
        }
        for number in range(1500)
    ]  # fmt: skip
    asked_of(daemon, "/models/m/samples", [*rows, {**rows[0], "sample_id": "bad", "score": 7}])
    asked_of(daemon, "/models/m/jobs", {"kind": "recalibrate"})
    for path in ("readings?model=m", "alerts", "jobs"):
        wait_for(lambda path=path: asked_of(daemon, f"/{path}")["items"] != [], f"/{path} to tell something")  # type: ignore[misc]
    wait_for(lambda: asked_of(daemon, "/quarantine?model=m")["newest"] != [], "the bad row")


def has_other_token(case: schemathesis.Case[Any]) -> bool:
    """Whether the case is one whose token is wrong or left out on purpose, so that ours must not repair it."""
    changes = getattr(case.meta and case.meta.phase.data, "mutations", None) or ()
    return any(
        change.parameter_location is ParameterLocation.HEADER
        and "Authorization" in (change.parameter or "", *str(change.original_value).split("'"))
        for change in changes
    )


@pytest.mark.parametrize(("role", "model"), [("admin", "m"), ("read", "m"), (None, None)])
def test_what_the_description_allows_is_answered_as_it_says_and_nothing_else_is_taken(
    daemon: Running, role: str | None, model: str | None
) -> None:
    headers = {"Authorization": f"Bearer {TOKENS[role]}"} if role else {}
    described = schemathesis.openapi.from_url(f"{daemon.url}{API}/openapi.json", headers=headers)
    operations = [found.ok() for found in described.get_all_operations() if isinstance(found, Ok)]
    assert {operation.method.upper() for operation in operations} == {"GET", "POST"}
    assert len(operations) > 15
    asked = set()
    for operation in operations:
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @settings(
                max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )  # fmt: skip
            @given(case=operation.as_strategy(generation_mode=mode))
            def ask(case: schemathesis.Case[Any]) -> None:
                if model is not None and "model" in case.path_parameters:
                    case.path_parameters["model"] = model  # of others there is nothing to be told
                answer = case.call(headers={} if has_other_token(case) else headers, timeout=60)
                asked.add((case.operation.label, answer.status_code < 300))
                case.validate_response(answer)

            try:
                ask()
            except Unsatisfiable:  # whatever is sent fits: there is nothing negative
                assert mode is GenerationMode.NEGATIVE
    assert daemon.alive()
    assert len({label for label, _ in asked}) == len(operations)
    answered = {label for label, fine in asked if fine}
    assert {"GET /models", "GET /jobs", "GET /quarantine"} <= answered
    took = {label for label in answered if label.startswith("POST")}
    assert bool(took) == (role in ("write", "admin") and model is not None)
