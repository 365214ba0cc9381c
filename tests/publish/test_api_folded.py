"""What is beyond a limit, as the API lists it: versions, calibrators, slice values, and versions not judged for drift."""

from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest

from monitor.model import FoldedKind, FoldedValues
from monitor.publish.web.api.intake_schemas import folded_values_item
from tests.worlds.api import PUSHED, api_world
from tests.worlds.store import a_row

ROWS = [
    a_row(f"s{at}", observed_at="2026-03-01T06:00:00Z", labelled_at=None, version=f"v{at}", camera=f"c{at}")
    for at in range(5)
]


def test_what_folds_is_listed_by_kind_with_its_limit_and_what_to_do(tmp_path: Path) -> None:
    extra = "max_versions = 2\nmax_slice_values = 3"
    with api_world(tmp_path, PUSHED.format(extra=extra)) as world:
        client = world.client("read")
        assert client.get("/api/v1/folded-values").json()["items"] == []
        answer = world.client("write").post("/api/v1/models/m/samples", json=ROWS)
        assert answer.status_code == 202, answer.text
        world.tick()
        listed = client.get("/api/v1/folded-values").json()
        assert listed["total"] == 2
        found = {item["kind"]: item for item in listed["items"]}
        version, slice_ = found["version"], found["slice"]
        assert (version["model"], version["name"], version["most"], version["rows"]) == ("m", "", 2, 3)
        assert (slice_["name"], slice_["most"], slice_["rows"]) == ("camera", 3, 2)
        assert version["examples"] == ["v2", "v3", "v4"]
        assert "raise max_versions in [[model]]" in version["finding"]
        assert "raise max_slice_values in [[model]]" in slice_["finding"]
        (model,) = client.get("/api/v1/models").json()["items"]
        assert model["folded_values"] == 2
        one = client.get("/api/v1/folded-values?limit=1&model=m").json()
        assert (len(one["items"]), one["next_offset"]) == (1, 1)
        assert client.get("/api/v1/folded-values?model=none").status_code == 404


@pytest.mark.parametrize("kind", get_args(FoldedKind))
def test_every_kind_is_listed_in_words(kind: FoldedKind) -> None:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    held = FoldedValues(kind, "camera", 3, at, at, 7, ("c9",))
    item = folded_values_item("m", held)
    assert (item.model, item.kind, item.rows) == ("m", kind, 7)
    assert "c9" in item.finding
