"""What a refit says of groups that lie on both sides of its cuts."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from monitor.cli.output import tell_refits
from monitor.config.settings import Model, parse_config
from monitor.model import Job, JobState, Slice
from monitor.model.reasons import Trigger, TriggerKind
from monitor.model.samples import Samples
from monitor.recalibration.refit import Refit, RefitInputs, run_refit
from tests.worlds.line import model_section
from tests.worlds.reasons import sentences

Stream = Callable[..., Samples]
NOW = datetime(2026, 3, 1, tzinfo=UTC)
NEITHER = "later samples are in groups that lie on both sides of the cut in time and take part in neither"


def _model(policy: str | None = None) -> Model:
    extra = f'threshold = {{ policy = "{policy}" }}' if policy else ""
    text = model_section(extra=extra, recalibration='method = "temperature"')
    return parse_config(text, "calwatch.toml", Path()).model[0]


def _refitted(stream: Stream, group: NDArray[np.int64] | None, policy: str | None = None, n: int = 4000) -> Refit:
    samples = replace(stream(np.random.default_rng(11), n, temperature=3.0), group=group)
    return run_refit(RefitInputs(_model(policy), Slice(), samples, (Slice(),), {}, NOW, ()), calwatch_version="1")


def test_patients_that_come_again_and_again_leave_nothing_to_judge_by_and_the_reason_says_so(stream: Stream) -> None:
    found = _refitted(stream, np.arange(4000) % 300)
    assert not found.accepted
    assert sentences(found)[-1] == (
        "rejected: needs 200 later samples, has 0: 1,600 of 1,600 "
        + NEITHER
        + " (300 of 300 groups lie so); is group_id the "
        "patient rather than the visit?"
    )


def test_some_patients_that_come_again_are_counted(stream: Stream) -> None:
    group = np.arange(4000)
    group[::2] = group[::2] % 500  # every other sample is of one of 250 patients, the others are alone
    found = _refitted(stream, group)
    (told,) = [reason for reason in sentences(found) if NEITHER in reason]
    assert told.startswith("800 of 1,600 ")
    assert "(250 of 2,250 groups lie so)" in told
    assert told in sentences(found)[:-1], "the gate could judge: its own reason comes last"


def test_a_threshold_that_takes_the_newest_fifth_counts_both_cuts(stream: Stream) -> None:
    found = _refitted(stream, np.arange(4000) % 300, policy="f1")
    assert any("2,080 of 2,080 " + NEITHER in reason for reason in sentences(found))


@pytest.mark.parametrize("clip", [0, 1, 8])
def test_clips_that_happen_to_lie_across_the_cut_are_not_worth_a_word(stream: Stream, clip: int) -> None:
    found = _refitted(stream, np.arange(4003)[3:] // clip if clip else None)
    assert not any("both sides" in reason for reason in sentences(found))


def test_such_refits_are_counted_together_under_their_own_heading(
    stream: Stream, capsys: pytest.CaptureFixture[str]
) -> None:
    found = _refitted(stream, np.arange(4000) % 300)
    job = Job("a", "m", "recalibrate", Trigger(TriggerKind.RULE, "r"), Slice(), NOW, JobState.REJECTED, why=found.why)
    tell_refits([job, replace(job, id="b")])
    assert "2 × rejected: groups lie on both sides of the cut: is group_id too wide?" in capsys.readouterr().out
