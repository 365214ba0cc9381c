"""Every reason to set a row aside comes with what to do about it."""

import re
from importlib.resources import files

import pytest

from monitor.sources.remedies import REMEDIES
from monitor.store.sql import statement


@pytest.mark.parametrize("holds", ["samples", "labels"])
def test_each_reason_to_set_a_row_aside_has_a_remedy(holds: str) -> None:
    reasons = re.findall(r"THEN '(\w+)'", statement(f"stage_checks_{holds}"))
    assert {"missing_sample_id", "unreadable_time", "conflicting_identity"} <= set(reasons) <= set(REMEDIES)


def test_each_reason_that_any_statement_gives_has_a_remedy_and_each_remedy_a_reason() -> None:
    folder = files("monitor.store.sql")
    text = "\n".join(each.read_text("utf-8") for each in folder.iterdir() if each.name.endswith(".sql"))
    given = set(re.findall(r"\breason = '(\w+)'|'(\w+)'(?: END)?(?:::VARCHAR)? +AS reason\b", text))
    assert {name for pair in given for name in pair if name} <= set(REMEDIES)
    text += files("monitor.sources.boxes").joinpath("columns.py").read_text("utf-8").replace('"', "'")
    assert {name for name in REMEDIES if f"'{name}'" not in text} == set()
