"""Shipped rules on a detector: a class that is not seen for a while is no camera that is silent."""

from pathlib import Path

import pytest

from monitor.engine.cycle import load_watched
from monitor.model import AbsenceRule, Slice
from monitor.rules.conditions import is_covered
from tests.sources.boxes.detector import source

_OWN = """
[[rule]]
name = "no-person"
kind = "absence"
of = "samples"
longer_than = "1h"
severity = "info"
slices = "marginals"
"""


def _rules(base: Path, pack: str, *, boxes: bool) -> dict[str, AbsenceRule]:
    (base / "own.toml").write_text(_OWN)
    sources = "".join(map(source, ("images", "detections", "truth")))
    if not boxes:
        sources = '[[model.source]]\nname = "s"\nholds = "samples"\npath = "s/*.parquet"\n'
    text = f'[[model]]\nname = "m"\ntask = "detection"\nslices = ["camera", "class"]\nrules = ["{pack}", "own.toml"]\n'
    matching = "[model.matching]\nsize = [32, 96]\n" if boxes else ""
    (base / "calwatch.toml").write_text(text + sources + matching)
    _, (watched,) = load_watched(base / "calwatch.toml")
    return {rule.name: rule for rule in watched.rulebook if isinstance(rule, AbsenceRule)}


@pytest.mark.parametrize("pack", ["quality-control", "safety"])
def test_a_silent_camera_is_not_a_class_or_a_size_of_a_detector(pack: str, tmp_path: Path) -> None:
    rule = _rules(tmp_path, pack, boxes=True)["camera-silent"]
    assert is_covered(rule, Slice.of({"camera": "c1"}))
    assert not is_covered(rule, Slice.of({"class": "forklift"}))
    assert not is_covered(rule, Slice.of({"size": "large"}))


def test_rows_that_users_matched_keep_their_slices(tmp_path: Path) -> None:
    rule = _rules(tmp_path, "quality-control", boxes=False)["camera-silent"]
    assert is_covered(rule, Slice.of({"class": "forklift"}))


def test_a_rule_of_the_users_own_covers_what_it_says(tmp_path: Path) -> None:
    rule = _rules(tmp_path, "quality-control", boxes=True)["no-person"]
    assert is_covered(rule, Slice.of({"class": "person"}))
