"""Tunings of models whose rows are their samples: classifiers, and detections that users matched."""

from pathlib import Path

import pytest

from monitor.model import Job, JobState
from monitor.model.reasons import Code
from monitor.store.thresholds import load_thresholds
from tests.worlds.jobs import MODEL, ask, calibrator_of, read_document
from tests.worlds.jobs import NOW as SOON
from tests.worlds.line import BEGAN, DAY, line, traffic, write_file


def _codes(job: Job) -> list[str]:
    return [reason.code for reason in job.why]


def test_a_classifier_gets_thresholds_without_a_refit(tmp_path: Path) -> None:
    model = MODEL.replace('policy = "f1"', 'policy = "precision>=0.8"')
    with line(tmp_path, model) as held:
        held.arrive(BEGAN, SOON, 3000, temperature=0.4)
        fitted = calibrator_of(ask(held, SOON))
        later = SOON + 3 * DAY
        held.arrive(SOON, later, 4000, temperature=0.4)
        job = ask(held, later, "tune")
        assert job.state is JobState.PROMOTED, job.reasons
        (threshold,) = load_thresholds(held.connection, "m")
        assert (threshold.tuned, threshold.kept, threshold.calibrator) == (True, True, job.tuned["artefact"])
        tuned = read_document(held, str(job.tuned["artefact"]))
        assert tuned["parent"] == fitted
        (point,) = tuned["operating"]["points"]
        assert point == {"per": "", "class": "", "threshold": threshold.threshold, "nms_iou": None, "kept": True}
        # proved on what the calibrator was not fitted on
        assert threshold.samples <= 4000


def test_a_classifier_keeps_its_threshold_where_no_other_is_better_with_confidence(tmp_path: Path) -> None:
    with line(tmp_path, MODEL) as held:
        held.arrive(BEGAN, SOON, 3000, temperature=1.0)
        first = ask(held, SOON, "tune")
        assert first.state is JobState.PROMOTED, first.reasons
        later = SOON + 14 * DAY
        held.arrive(later - DAY, later, 3000, temperature=1.0)
        job = ask(held, later, "tune")
        assert job.state is JobState.REJECTED
        assert job.verdict is not None
        assert job.verdict.code in (Code.TUNE_NOT_BETTER, Code.TUNE_SAME)


def test_a_classifier_whose_scores_have_changed_gets_a_better_threshold(tmp_path: Path) -> None:
    with line(tmp_path, MODEL) as held:
        held.arrive(BEGAN, SOON, 3000, temperature=1.0)
        before = ask(held, SOON, "tune").tuned["points"][0]["threshold"]
        later = SOON + 15 * DAY
        shifted = traffic(held.rng, "shifted", later - DAY, later, 6000)
        shifted["score"] = shifted["score"] ** 4
        write_file(held.base / "in" / "shifted.parquet", shifted)
        job = ask(held, later, "tune")
        assert job.state is JobState.PROMOTED, job.reasons
        assert job.tuned["points"][0]["threshold"] < before


@pytest.mark.parametrize(("policy", "code"), [("f1", Code.THRESHOLD_NEEDS_TRUTH), ("recall>=0.5", Code.THRESHOLD_NEEDS_TRUTH),
                                              ("youden", Code.THRESHOLD_NEEDS_NEGATIVES)])  # fmt: skip
def test_rows_that_users_matched_are_not_tuned_for_recall_and_hear_the_remedy(
    policy: str, code: Code, tmp_path: Path
) -> None:
    model = MODEL.replace('"f1"', f'"{policy}"').replace('task = "binary"', 'task = "detection"')
    with line(tmp_path, model) as held:
        held.arrive(BEGAN, SOON, 3000)
        job = ask(held, SOON, "tune")
        assert job.state is JobState.REJECTED
        assert [reason.code for reason in job.why[-2:]] == [Code.TUNE_UNTOLD, code]
        if code == Code.THRESHOLD_NEEDS_TRUTH:
            assert 'holds = "truth"' in job.reasons[-1]


def test_rows_that_users_matched_are_tuned_for_precision(tmp_path: Path) -> None:
    model = MODEL.replace('"f1"', '"precision>=0.7"').replace('task = "binary"', 'task = "detection"')
    with line(tmp_path, model) as held:
        held.arrive(BEGAN, SOON, 3000)
        assert ask(held, SOON, "tune").state is JobState.PROMOTED


def test_few_samples_are_too_few_for_a_tuning(tmp_path: Path) -> None:
    with line(tmp_path, MODEL) as held:
        held.arrive(BEGAN, SOON, 100)
        job = ask(held, SOON, "tune")
        assert job.verdict is not None
        assert (job.state, job.verdict.code) == (JobState.REJECTED, Code.REFIT_FEW_SAMPLES)
