"""Every reason to set a row aside comes with what to do about it."""

from monitor.sources.ingest.staging import QUARANTINE_REASONS
from monitor.sources.remedies import REMEDIES


def test_each_reason_has_a_remedy_and_each_remedy_a_reason() -> None:
    assert set(REMEDIES) == set(QUARANTINE_REASONS)
