"""A refit of samples in groups says how many it rests on and what they are called; one of others says what it said."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from monitor.config.settings import Model, parse_config
from monitor.model import Code, Slice
from monitor.model.samples import Samples
from monitor.recalibration.refit import Refit, RefitInputs, run_refit
from tests.worlds.line import model_section
from tests.worlds.reasons import sentences

Stream = Callable[..., Samples]
NOW = datetime(2026, 3, 1, tzinfo=UTC)
CLIPS = np.arange(4000) // 8


def _model(noun: str, policy: str) -> Model:
    extra = (
        f'group_noun = "{noun}"\nthreshold = {{ policy = "{policy}" }}'
        if noun
        else f'threshold = {{ policy = "{policy}" }}'
    )
    text = model_section(extra=extra, recalibration='method = "temperature"')
    return parse_config(text, "calwatch.toml", Path()).model[0]


def _refitted(
    stream: Stream, group: NDArray[np.int64] | None, noun: str = "", n: int = 4000, temperature: float = 3.0
) -> Refit:
    samples = stream(np.random.default_rng(11), n, temperature=temperature)
    samples = replace(samples, group=None if group is None else group[:n])
    model = _model(noun, "precision>=0.5")
    return run_refit(RefitInputs(model, Slice(), samples, (Slice(),), {}, NOW, ()), calwatch_version="1")


@pytest.mark.parametrize(("noun", "many"), [("clip", "clips"), ("study", "studies")])
def test_the_gate_says_its_groups_first(noun: str, many: str, stream: Stream) -> None:
    found = _refitted(stream, CLIPS, noun)
    (told,) = [each for each in found.why if each.code == Code.GATE_ACCEPTED]
    samples, groups = told.values["samples"], told.values["groups"]
    assert samples == 8 * groups
    assert sentences(found)[found.why.index(told)].endswith(f" on {groups:,} later {many} ({samples:,} samples)")


def test_a_promise_on_groups_names_them_in_the_threshold_that_is_stored_too(stream: Stream) -> None:
    found = _refitted(stream, CLIPS, "clip")
    (chosen,) = found.decided
    assert "on 100 clips (800 samples)" in chosen.threshold.reason
    assert any("on 100 clips (800 samples)" in each for each in sentences(found))


def test_where_nobody_names_them_they_are_groups(stream: Stream) -> None:
    assert any("later groups (" in each for each in sentences(_refitted(stream, CLIPS)))


@pytest.mark.parametrize("noun", ["", "clip"])
def test_samples_by_themselves_are_told_without(noun: str, stream: Stream) -> None:
    found = _refitted(stream, None, noun)
    assert any("on 1,280 later samples" in each for each in sentences(found))
    assert not any("clip" in each or "group" in each for each in sentences(found))
    assert not any({"groups", "noun"} <= each.values.keys() for each in found.why)


def test_too_few_samples_say_in_how_many_groups(stream: Stream) -> None:
    found = _refitted(stream, CLIPS, "clip", n=240)
    assert sentences(found) == ("rejected: needs 400 labelled samples, has 30 clips (240 samples); nothing changes",)
    alone = _refitted(stream, None, "clip", n=240)
    assert sentences(alone) == ("rejected: needs 400 labelled samples, has 240; nothing changes",)


def test_too_few_groups_are_told_by_name(stream: Stream) -> None:
    found = _refitted(stream, np.arange(4000) // 200, "study")
    assert any(
        each.startswith("rejected: needs later samples of") and "studies, has" in each for each in sentences(found)
    )
