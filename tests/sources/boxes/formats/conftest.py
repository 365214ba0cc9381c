"""Documents of COCO are read in two ways, and have to say the same in both."""

from collections.abc import Iterator

import duckdb
import pytest

from monitor.sources.formats.boxes import coco


@pytest.fixture(params=["short", "long"])
def connection(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[duckdb.DuckDBPyConnection]:
    """Files are read as short ones, and once more as if they were long."""
    if request.param == "long":
        monkeypatch.setattr(coco, "is_small", lambda found: False)
    with duckdb.connect() as found:
        yield found
