"""Refits of more labelled samples than a refit may take: a choice of them by hash, and cells for all of them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from monitor.jobs.requests import leave_request
from monitor.model import Job, JobState, Slice
from monitor.model.reasons import BY_HAND
from monitor.model.refits import job_of
from monitor.model.words import tell_reasons
from monitor.recalibration.inputs import gather_inputs
from monitor.recalibration.refit import RefitInputs, split_windows
from monitor.recalibration.selection import select_calibrator_from_cells
from monitor.store.dictionaries import Registry
from monitor.store.model_store import ModelStore
from monitor.store.samples import LoadedSamples, load_batches, load_samples
from tests.worlds.line import BEGAN, DAY, HOUR, Columns, Line, line, model_section, traffic, write_file

NOW = BEGAN + 2 * DAY
LIMIT = 1500


def _section(method: str = "temperature", **more: str) -> str:
    extra = "\n".join(f'{name} = "{value}"' for name, value in more.items())
    recalibration = f'max_samples = {LIMIT}\nmethod = "{method}"\n{extra}'
    return model_section(rules="", extra='threshold = { policy = "f1" }', recalibration=recalibration)


def _take(held: Line, change: Callable[[Columns], None] = lambda columns: None, n: int = 6000) -> None:
    columns = traffic(np.random.default_rng(7), "one", BEGAN, NOW, n, temperature=3.0)
    change(columns)
    write_file(held.base / "in" / "one.parquet", columns)
    assert held.tick(NOW, publish=False).failed == {}


def _load(held: Line, limit: int | None = LIMIT, start: datetime = BEGAN) -> LoadedSamples:
    model = held.cycle.config.model[0]
    registry = Registry.load(held.connection, model, NOW)
    covered = list(registry.slices.values())
    return load_samples(ModelStore(held.connection, registry, model), "", covered, start, NOW, limit)


def _gather(held: Line, onset: datetime | None = None, now: datetime = NOW) -> RefitInputs:
    model = held.cycle.config.model[0]
    job = replace(job_of("m", "recalibrate", BY_HAND, Slice(), now), onset=onset)
    return gather_inputs(ModelStore.load(held.connection, model, now), job, now, now)


def _clips(columns: Columns) -> None:
    """Clips of one to five samples that lie all over the time."""
    clips = np.sort(np.random.default_rng(8).integers(0, 2000, 6000))
    columns["group_id"] = np.array(
        [f"clip-{clip}" for clip in np.random.default_rng(9).permutation(clips)], dtype=object
    )


def test_no_more_samples_than_the_limit_are_taken_and_about_as_many(tmp_path: Path) -> None:
    with line(tmp_path, _section()) as held:
        _take(held)
        loaded = _load(held)
        assert 0.97 * LIMIT <= len(loaded.samples) <= LIMIT
        assert tell_reasons(loaded.notes) == (
            f"{len(loaded.samples):,} of 6,000 samples, chosen by a hash of their id",
        )
        assert (np.diff(loaded.samples.observed_at) >= 0).all()
        at_the_limit = _load(held, 6000)
        assert (len(at_the_limit.samples), at_the_limit.notes, at_the_limit.of_cells) == (6000, (), None)


def test_groups_are_taken_whole(tmp_path: Path) -> None:
    with line(tmp_path, _section()) as held:
        _take(held, _clips)
        loaded = _load(held)
        assert 0.9 * LIMIT <= len(loaded.samples) <= LIMIT
        assert tell_reasons(loaded.notes) == (
            f"{len(loaded.samples):,} of 6,000 samples, chosen by a hash of their group",
        )
        everything = _load(held, None).samples
        assert everything.group is not None
        chosen = np.isin(everything.score, loaded.samples.score)  # no two scores are equal
        members = np.isin(everything.group, everything.group[chosen])
        assert chosen.sum() == members.sum() == len(loaded.samples)
        assert np.bincount(everything.group[chosen]).max() > 3


def test_the_choice_goes_as_far_as_the_limit_allows_where_one_group_holds_most_rows(tmp_path: Path) -> None:
    """The parts looked at first would do if groups were equal; here those that fit are spread over nearly all of them."""

    def mostly_one(columns: Columns) -> None:
        columns["group_id"] = np.array(["" if index % 4 == 0 else "clip" for index in range(6000)], dtype=object)

    with line(tmp_path, _section()) as held:
        _take(held, mostly_one)
        part = "hash(coalesce(group_id, sample_id)) >> 48"
        beyond = held.one(f"SELECT min({part}) FROM samples WHERE group_id IS NOT NULL")
        fitting = held.one(f"SELECT count(*) FROM samples WHERE {part} < {beyond}")
        assert 100 < fitting < LIMIT
        looked_at = 1.25 * 65536 * LIMIT / 6000
        assert beyond > looked_at, "the one group lies beyond the parts looked at first"
        assert len(_load(held).samples) == fitting


@pytest.mark.parametrize("grouped", [True, False])
def test_shares_hold_every_row_once_groups_whole_and_none_more_than_the_limit(tmp_path: Path, grouped: bool) -> None:
    with line(tmp_path, _section()) as held:
        _take(held, _clips if grouped else lambda columns: None)
        model = held.cycle.config.model[0]
        registry = Registry.load(held.connection, model, NOW)
        shares = list(
            load_batches(
                ModelStore(held.connection, registry, model), "", list(registry.slices.values()), BEGAN, NOW, 1000
            )
        )  # fmt: skip
        assert len(shares) == 7
        assert max(map(len, shares)) <= 1000
        everything = _load(held, None).samples
        score = np.concatenate([share.score for share in shares])
        np.testing.assert_array_equal(np.sort(score), np.sort(everything.score))
        groups = sum(len(np.unique(share.units())) for share in shares)
        assert groups == len(np.unique(everything.units())), "a group in two shares would count twice"


def test_the_choice_depends_on_no_outcome(tmp_path: Path) -> None:
    def opposite(columns: Columns) -> None:
        columns["outcome"] = 1 - columns["outcome"]

    with line(tmp_path / "one", _section()) as held, line(tmp_path / "other", _section()) as other:
        _take(held)
        _take(other, opposite)
        first, second = _load(held).samples, _load(other).samples
        np.testing.assert_array_equal(first.score, second.score)
        np.testing.assert_array_equal(first.outcome, 1 - second.outcome)


def test_rows_of_many_logits_are_fewer(tmp_path: Path) -> None:
    def wide(columns: Columns) -> None:
        columns["logits"] = np.array([[0.5] * 75] * 6000 + [None], dtype=object)[:6000]

    with line(tmp_path, _section()) as held:
        _take(held, wide)
        loaded = _load(held)
        assert 0.97 * LIMIT * 50 / 75 <= len(loaded.samples) <= LIMIT * 50 / 75
        assert tell_reasons(loaded.notes) == (
            f"{len(loaded.samples):,} of 6,000 samples, each with 75 logits, chosen by a hash of their id",
        )
        assert loaded.of_cells is None


def test_one_group_beyond_the_limit_leaves_nothing_and_says_so(tmp_path: Path) -> None:
    def one_clip(columns: Columns) -> None:
        columns["group_id"] = np.full(6000, "clip", dtype=object)

    with line(tmp_path, _section()) as held:
        _take(held, one_clip)
        loaded = _load(held)
        assert len(loaded.samples) == 0
        assert tell_reasons(loaded.notes)[0].startswith("0 of 6,000 samples")
        assert _gather(held).counted is None


def test_cells_hold_every_sample_before_the_border_and_rows_from_there_on_judge(tmp_path: Path) -> None:
    with line(tmp_path, _section()) as held:
        _take(held)
        task = _gather(held)
        assert task.counted is not None
        border = task.counted.border
        assert border == border.replace(minute=0, second=0)
        assert BEGAN + 27 * HOUR <= border <= BEGAN + 30 * HOUR
        assert task.counted.start == BEGAN
        before = held.one(
            "SELECT count(*) FROM samples WHERE observed_at < $border", border=border.replace(tzinfo=None)
        )
        assert task.counted.n == before > LIMIT
        assert tell_reasons(task.notes)[1:] == (
            f"{len(task.samples):,} of 6,000 samples, chosen by a hash of their id",
            f"selected and fitted on all {before:,} samples from 2026-03-01 00:00 to {border:%Y-%m-%d %H:%M} UTC, "
            "as counted per 1h and score",
        )
        early, gate, last = split_windows(task.samples, 0.4, thresholds=True, border=border)
        assert early.observed_at.max() < border.timestamp() <= gate.observed_at.min()
        assert gate.observed_at.max() < last.observed_at.min()
        assert len(early) + len(gate) + len(last) == len(task.samples)


def _grouped(columns: Columns) -> None:
    columns["group_id"] = np.array(["clip" if row == 5 else None for row in range(6000)], dtype=object)


def _calibrated(columns: Columns) -> None:
    columns["calibrator"] = np.where(np.arange(6000) == 5, "elsewhere", "").astype(object)
    columns["raw_score"] = columns["score"]


def _another_score(columns: Columns) -> None:
    columns["raw_score"] = np.where(np.arange(6000) == 5, 0.123, columns["score"])


def _pre_counted(columns: Columns) -> None:
    columns["n"] = np.where(np.arange(6000) == 5, 7, 1).astype(np.int64)
    columns["positives"] = columns["outcome"]


@pytest.mark.parametrize("change", [_grouped, _calibrated, _another_score, _pre_counted])
def test_one_sample_that_its_cell_does_not_tell_whole_leaves_the_fit_to_rows(
    tmp_path: Path, change: Callable[[Columns], None]
) -> None:
    with line(tmp_path, _section()) as held:
        _take(held, change)
        task = _gather(held)
        assert len(task.samples) <= LIMIT
        assert task.counted is None


def test_a_score_stored_twice_unchanged_is_no_reason_against_cells(tmp_path: Path) -> None:
    def same(columns: Columns) -> None:
        columns["raw_score"] = columns["score"]

    with line(tmp_path, _section()) as held:
        _take(held, same)
        assert _gather(held).counted is not None


def test_fewer_than_twenty_buckets_or_vector_scaling_leave_the_fit_to_rows(tmp_path: Path) -> None:
    with line(tmp_path / "few", _section()) as held:
        _take(held)
        assert _gather(held, onset=BEGAN + 20 * HOUR).counted is None
    with line(tmp_path / "vector", _section("vector")) as held:
        _take(held)
        assert _gather(held).counted is None


def test_an_onset_inside_a_bucket_leaves_that_bucket_out(tmp_path: Path) -> None:
    with line(tmp_path, _section()) as held:
        _take(held, n=9000)
        onset = BEGAN + 90 * timedelta(minutes=1)
        task = _gather(held, onset=onset)
        assert task.samples.observed_at.min() >= onset.timestamp()
        assert task.counted is not None
        assert task.counted.start == BEGAN + 2 * HOUR


def test_where_buckets_are_folded_into_days_the_border_is_a_midnight(tmp_path: Path) -> None:
    section = _section(fit_window="40d").replace(
        'windows = ["24h", "7d"]', 'windows = ["24h", "7d"]\nfold_after = "8d"'
    )
    with line(tmp_path, section) as held:
        later = BEGAN + 36 * DAY
        columns = traffic(np.random.default_rng(7), "one", BEGAN, later, 6000, temperature=3.0)
        write_file(tmp_path / "in" / "one.parquet", columns)
        assert held.tick(later, publish=False).failed == {}
        assert held.one("SELECT folded_until FROM models") == (later - 8 * DAY).replace(tzinfo=None)
        task = _gather(held, now=later)
        assert task.counted is not None
        assert task.counted.border in (BEGAN + 20 * DAY, BEGAN + 21 * DAY, BEGAN + 22 * DAY)
        before = "SELECT count(*) FROM samples WHERE observed_at < $border"
        assert task.counted.n == held.one(before, border=task.counted.border.replace(tzinfo=None))


def test_a_refit_from_cells_is_promoted_and_its_windows_tell_what_it_was_fitted_on(tmp_path: Path) -> None:
    with line(tmp_path, _section("auto")) as held:
        _take(held)
        task = _gather(held)
        assert task.counted is not None
        leave_request(held.cycle.config.state_dir, "m", "recalibrate", Slice(), NOW)
        (job,) = held.tick(NOW + timedelta(seconds=1), publish=False).jobs["m"]
        assert job.state is JobState.PROMOTED, job.reasons
        wanted = select_calibrator_from_cells("auto", task.counted.cells)
        assert job.details["parameters"] == dict(wanted.calibrator.parameters())
        assert job.details["fit"] == {
            "start": BEGAN.isoformat(), "end": task.counted.border.isoformat(), "samples": task.counted.n
        }  # fmt: skip
        assert _judged_from(job) >= task.counted.border
        assert job.details["threshold"] is not None


def _judged_from(job: Job) -> datetime:
    gate = job.details["gate"]
    assert isinstance(gate, dict)
    return datetime.fromisoformat(gate["start"])
