"""Every reason to set a row aside comes with what to do about it."""

import re

import pytest

from monitor.sources.remedies import REMEDIES
from monitor.store.sql import statement


@pytest.mark.parametrize("holds", ["samples", "labels"])
def test_each_reason_to_set_a_row_aside_has_a_remedy(holds: str) -> None:
    reasons = re.findall(r"THEN '(\w+)'", statement(f"stage_checks_{holds}"))
    assert {"missing_sample_id", "unreadable_time", "conflicting_identity"} <= set(reasons) <= set(REMEDIES)
