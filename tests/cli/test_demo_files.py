"""The demo's shipped Parquet files hold what their README says, and the script that makes them works."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
import typer
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax

from monitor.cli.demo import HAZE_BEGAN, SECOND_SITE_BEGAN, STREAM_BEGAN, STREAM_ENDED
from tests.demo_stream import make_stream
from tests.demo_stream.arrivals import BAD_PER_KIND, CORRECTED_SHARE, DUPLICATE_SHARE, label_times
from tests.demo_stream.cameras import CAMERAS, LIGHTINGS, expose, photograph
from tests.demo_stream.network import Network, fit_temperature, gradient, initial, log_loss, train
from tests.demo_stream.traffic import second

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

FOLDER = Path(str(files("monitor.cli.demo")))
PARQUET = sorted(FOLDER.glob("*.parquet"))
GOOD = f"""
    sample_id IS NOT NULL AND score BETWEEN 0 AND 1 AND NOT isnan(score) AND observed_at < '{STREAM_ENDED.isoformat()}'
"""
# The newest row of each prediction: what a monitor holds after corrections and duplicates.
NEWEST = f"""
    SELECT * FROM stream WHERE {GOOD}
    QUALIFY row_number() OVER (PARTITION BY sample_id, observed_at ORDER BY labelled_at DESC NULLS LAST) = 1
    ORDER BY observed_at, sample_id
"""


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:") as opened:
        opened.execute("SET TimeZone = 'UTC'")
        opened.execute("CREATE TABLE stream AS SELECT * FROM read_parquet(?)", [[str(path) for path in PARQUET]])
        yield opened


def only_row(connection: duckdb.DuckDBPyConnection, query: str, parameters: list[Any] | None = None) -> tuple[Any, ...]:
    (row,) = connection.execute(query, parameters).fetchall()
    return tuple(row)


def count(connection: duckdb.DuckDBPyConnection, condition: str) -> int:
    return int(only_row(connection, f"SELECT count(*) FROM stream WHERE {condition}")[0])


@dataclass(frozen=True)
class Labelled:
    """The labelled predictions, newest row each, in time order."""

    logits: Floats
    label: NDArray[np.int64]
    outcome: Floats
    camera: NDArray[Any]
    lighting: NDArray[Any]
    observed_at: NDArray[np.datetime64]

    def during(self, began: datetime, ended: datetime) -> Flags:
        times = self.observed_at
        return np.asarray((times >= second(began)) & (times < second(ended)))

    def slice(self, camera: str, lighting: str) -> Flags:
        return np.asarray((self.camera == camera) & (self.lighting == lighting))

    def gap(self, rows: Flags, temperature: float = 1.0) -> float:
        """Mean score − outcome rate; the top-label event is that the predicted class is right."""
        return float((softmax(self.logits[rows] / temperature, axis=1).max(axis=1) - self.outcome[rows]).mean())

    def ece(self, rows: Flags, temperature: float = 1.0) -> float:
        score = softmax(self.logits[rows] / temperature, axis=1).max(axis=1)
        in_bin = np.minimum((score * 15).astype(int), 14)
        return float(np.abs(np.bincount(in_bin, score - self.outcome[rows], 15)).sum() / rows.sum())

    def losses(self, rows: Flags, temperature: float = 1.0) -> Floats:
        losses: Floats = -log_softmax(self.logits[rows] / temperature, axis=1)[np.arange(rows.sum()), self.label[rows]]
        return losses


@pytest.fixture(scope="module")
def labelled(connection: duckdb.DuckDBPyConnection) -> Labelled:
    query = f"SELECT * FROM ({NEWEST}) WHERE label IS NOT NULL ORDER BY observed_at, sample_id"
    rows = connection.execute(query).fetchnumpy()
    return Labelled(
        np.stack(list(rows["logits"])).astype(np.float64),
        rows["label"].astype(np.int64),
        (rows["label"] == rows["predicted_class"]).astype(np.float64),
        rows["camera"],
        rows["lighting"],
        rows["observed_at"].astype("datetime64[us]"),
    )


def three_sigma(samples: int) -> float:
    """Three standard deviations of a slice's gap when the model is calibrated on all handwriting of the first site.

    Var(score − outcome) is about .07 here (accuracy .90, scores between). It enters three times: through the slice's
    predictions, through the 2,178 images they are drawn from, and through the 1,452 that set the temperature.
    """
    return 3 * float(np.sqrt(0.07 * (1 / samples + 1 / 2178 + 1 / 1452)))


HAZED = ("c3", "night")
SLICES = [(camera, lighting) for camera in CAMERAS for lighting in LIGHTINGS]
ORDINARY = [pair for pair in SLICES if pair != HAZED]


def test_the_files_stay_under_three_megabytes() -> None:
    assert len(PARQUET) == 9
    assert sum(path.stat().st_size for path in PARQUET) < 3e6


def test_licences_and_readme_lie_beside_the_files() -> None:
    assert "CC BY-SA 3.0" in (FOLDER / "LICENSE.mnist.md").read_text()
    assert "BSD License" in (FOLDER / "LICENSE.qmnist").read_text()
    assert (FOLDER / "README.md").exists()


def test_every_good_score_is_the_largest_softmax_of_its_logits(connection: duckdb.DuckDBPyConnection) -> None:
    rows = connection.execute(f"SELECT score, logits, predicted_class FROM stream WHERE {GOOD}").fetchnumpy()
    logits = np.stack(list(rows["logits"])).astype(np.float64)
    np.testing.assert_allclose(rows["score"], softmax(logits, axis=1).max(axis=1), rtol=0, atol=1e-9)
    assert (rows["predicted_class"] == logits.argmax(axis=1).astype(str)).all()


def test_columns_have_the_types_of_the_data_contract(connection: duckdb.DuckDBPyConnection) -> None:
    described = connection.execute("DESCRIBE stream").fetchall()
    assert {name: kind for name, kind, *_ in described} == {
        "sample_id": "VARCHAR",
        "observed_at": "TIMESTAMP WITH TIME ZONE",
        "labelled_at": "TIMESTAMP WITH TIME ZONE",
        "camera": "VARCHAR",
        "lighting": "VARCHAR",
        "predicted_class": "VARCHAR",
        "label": "VARCHAR",
        "score": "DOUBLE",
        "logits": "FLOAT[]",
        "version": "VARCHAR",
    }
    assert count(connection, "len(logits) <> 10 OR version <> 'digits-1'") == 0
    assert count(connection, "(label IS NULL) <> (labelled_at IS NULL)") == 0


def test_the_stream_holds_54000_predictions_of_sixty_days(connection: duckdb.DuckDBPyConnection) -> None:
    times = "epoch(min(observed_at)), epoch(max(observed_at))"
    query = f"SELECT count(*), {times}, count(label) FROM ({NEWEST})"
    predictions, first, last, labels = only_row(connection, query)
    assert predictions == make_stream.PREDICTIONS
    assert STREAM_BEGAN.timestamp() <= first < last < STREAM_ENDED.timestamp()
    assert last - first > 59.9 * 86400
    # A binomial share of .85 has a standard deviation of .0015 here.
    assert labels / predictions == pytest.approx(0.85, abs=0.006)


def test_bad_rows_are_five_of_each_declared_kind(connection: duckdb.DuckDBPyConnection) -> None:
    future = f"observed_at >= '{STREAM_ENDED.isoformat()}'"
    for kind in ("isnan(score)", "score = -0.1", "score = 1.2", "sample_id IS NULL", future):
        assert count(connection, kind) == BAD_PER_KIND, kind
    assert count(connection, f"NOT coalesce({GOOD}, false)") == 5 * BAD_PER_KIND


def test_an_identity_repeats_only_as_a_correction_or_an_exact_duplicate(connection: duckdb.DuckDBPyConnection) -> None:
    repeats = connection.execute(f"""
        SELECT count(*) AS copies, count(DISTINCT label) AS labels, count(DISTINCT labelled_at) AS times,
               count(DISTINCT (score, predicted_class, camera, lighting, logits::VARCHAR)) AS answers
        FROM stream WHERE {GOOD} GROUP BY sample_id, observed_at HAVING copies > 1
    """).fetchall()
    assert {copies for copies, *_ in repeats} == {2}
    assert {answers for *_, answers in repeats} == {1}
    corrections = sum(labels == 2 and times == 2 for _, labels, times, _ in repeats)
    duplicates = sum(labels <= 1 and times <= 1 for _, labels, times, _ in repeats)
    assert corrections + duplicates == len(repeats)
    (labels,) = only_row(connection, f"SELECT count(label) FROM ({NEWEST})")
    assert corrections == round(CORRECTED_SHARE * labels)
    assert duplicates == round(DUPLICATE_SHARE * make_stream.PREDICTIONS)


def test_half_of_the_duplicates_come_in_a_later_file(connection: duckdb.DuckDBPyConnection) -> None:
    query = f"""
        SELECT count(*) FROM (
            SELECT sample_id FROM read_parquet(?, filename = true) WHERE {GOOD} GROUP BY sample_id, observed_at
            HAVING count(*) = 2 AND count(DISTINCT labelled_at) <= 1 AND count(DISTINCT filename) = 2)
    """
    (later,) = only_row(connection, query, [[str(path) for path in PARQUET]])
    # 270 are sent again a week later; those of the last week stay within the last file.
    assert 200 <= later <= 270


def test_each_file_holds_the_rows_that_arrived_in_its_week(connection: duckdb.DuckDBPyConnection) -> None:
    arrived = "epoch(coalesce(labelled_at, observed_at))"
    week = 7 * 86400
    for path in PARQUET[:-1]:
        query = f"SELECT min({arrived}), max({arrived}) FROM read_parquet(?)"
        earliest, latest = only_row(connection, query, [str(path)])
        began = datetime.fromisoformat(path.stem.removeprefix("digits-") + "T00:00:00+00:00").timestamp()
        assert latest < began + week
        assert earliest >= began - week  # the duplicates that are sent again a week later


def test_label_delays_have_a_median_of_six_hours_and_end_after_five_days() -> None:
    observed_at = np.full(20_000, second(STREAM_BEGAN))
    labelled_at = label_times(observed_at, np.random.default_rng(5))
    hours = (labelled_at - observed_at)[~np.isnat(labelled_at)].astype(np.float64) / 3600
    # The median's standard error is 1.25 · 6 h · 1.1 / √17,000 = .06 h.
    assert float(np.median(hours)) == pytest.approx(6.0, abs=0.25)
    assert 100 < float(hours.max()) <= 120


def test_lateness_of_labels_says_nothing_about_the_outcome(connection: duckdb.DuckDBPyConnection) -> None:
    ordinary = f"observed_at < '{HAZE_BEGAN.isoformat()}' AND label IS NOT NULL"
    late = "labelled_at - observed_at > INTERVAL 6 HOUR"
    right = "avg((label = predicted_class)::INT)"
    once = f"SELECT * FROM ({NEWEST}) WHERE {ordinary} AND labelled_at - observed_at < INTERVAL 5 DAY"
    query = f"SELECT {right} FILTER ({late}), {right} FILTER (NOT {late}) FROM ({once})"
    among_late, among_early = only_row(connection, query)
    # Two halves of 12,000 at accuracy .90: the difference has a standard deviation of .004.
    assert abs(among_late - among_early) < 0.012


@pytest.mark.parametrize(("camera", "lighting"), SLICES)
def test_every_slice_is_calibrated_before_the_haze(labelled: Labelled, camera: str, lighting: str) -> None:
    rows = labelled.slice(camera, lighting) & labelled.during(STREAM_BEGAN, HAZE_BEGAN)
    assert rows.sum() > 700
    assert abs(labelled.gap(rows)) < three_sigma(int(rows.sum())) < 0.05


def test_the_whole_is_calibrated_before_the_haze(labelled: Labelled) -> None:
    rows = labelled.during(STREAM_BEGAN, HAZE_BEGAN)
    assert labelled.ece(rows) < 0.015
    assert abs(labelled.gap(rows)) < 0.01


def test_camera_three_at_night_is_over_confident_under_the_haze(labelled: Labelled) -> None:
    slice_rows = labelled.slice(*HAZED)
    before = slice_rows & labelled.during(STREAM_BEGAN, HAZE_BEGAN)
    after = slice_rows & labelled.during(HAZE_BEGAN, SECOND_SITE_BEGAN)
    fall = labelled.outcome[before].mean() - labelled.outcome[after].mean()
    assert 0.10 < fall < 0.25
    assert labelled.gap(after) > 0.08
    assert labelled.ece(after) > 0.08


@pytest.mark.parametrize(("camera", "lighting"), ORDINARY)
def test_a_slice_without_haze_stays_calibrated_until_the_second_site(
    labelled: Labelled, camera: str, lighting: str
) -> None:
    rows = labelled.slice(camera, lighting) & labelled.during(HAZE_BEGAN, SECOND_SITE_BEGAN)
    assert abs(labelled.gap(rows)) < three_sigma(int(rows.sum()))


def test_the_second_site_makes_ordinary_slices_over_confident_slowly(labelled: Labelled) -> None:
    ordinary = ~labelled.slice(*HAZED)
    week = timedelta(days=7)
    gap = [labelled.gap(ordinary & labelled.during(end - week, end)) for end in (SECOND_SITE_BEGAN, STREAM_ENDED)]
    assert abs(gap[0]) < 0.015
    assert 0.015 < gap[1] < 0.06


def test_a_temperature_fitted_after_the_haze_repairs_the_hazed_slice_on_later_rows(labelled: Labelled) -> None:
    began, split, ended = HAZE_BEGAN, HAZE_BEGAN + timedelta(days=5), STREAM_ENDED
    fit = labelled.slice(*HAZED) & labelled.during(began, split)
    later = labelled.slice(*HAZED) & labelled.during(split, ended)
    temperature = fit_temperature(labelled.logits[fit], labelled.label[fit])
    assert temperature > 1.3
    assert labelled.ece(later, temperature) < labelled.ece(later) / 2
    assert _improvement_in_standard_errors(labelled, later, temperature) > 4


def test_a_temperature_for_the_whole_model_fitted_late_improves_later_rows(labelled: Labelled) -> None:
    split = STREAM_ENDED - timedelta(days=5)
    fit = labelled.during(split - timedelta(days=7), split)
    later = labelled.during(split, STREAM_ENDED)
    temperature = fit_temperature(labelled.logits[fit], labelled.label[fit])
    assert labelled.ece(later, temperature) < labelled.ece(later) / 2
    assert _improvement_in_standard_errors(labelled, later, temperature) > 4


def _improvement_in_standard_errors(labelled: Labelled, rows: Flags, temperature: float) -> float:
    saved = labelled.losses(rows) - labelled.losses(rows, temperature)
    return float(saved.mean() / (saved.std() / np.sqrt(len(saved))))


def test_the_gradient_agrees_with_finite_differences() -> None:
    rng = np.random.default_rng(11)
    network = initial(12, 7, rng)
    inputs, labels = rng.normal(size=(20, 12)), rng.integers(0, 10, 20)
    step = 1e-6
    for which, slopes in enumerate(gradient(network, inputs, labels)):
        assert slopes.shape == network.parameters[which].shape
        for place in np.ndindex(slopes.shape):
            losses = []
            for sign in (1, -1):
                moved = [parameter.copy() for parameter in network.parameters]
                moved[which][place] += sign * step
                w1, b1, w2, b2 = moved
                losses.append(log_loss(Network((w1, b1, w2, b2)).logits(inputs), labels))
            assert slopes[place] == pytest.approx((losses[0] - losses[1]) / (2 * step), abs=1e-7)


def test_training_separates_what_can_be_separated() -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 10, 400)
    inputs = np.eye(10)[labels] + rng.normal(0, 0.05, (400, 10))
    network = train(inputs, labels, rng, hidden=16, epochs=30)
    assert (network.logits(inputs).argmax(axis=1) == labels).mean() == 1.0


def test_the_temperature_of_logits_made_too_sharp_is_the_factor() -> None:
    rng = np.random.default_rng(4)
    honest = rng.normal(0, 2, (20_000, 10))
    labels = (honest + rng.gumbel(size=honest.shape)).argmax(axis=1)  # Gumbel's trick: a draw from the softmax
    # Standard error of log T is about .008 here.
    assert fit_temperature(2.5 * honest, labels) == pytest.approx(2.5, rel=0.03)


def test_exposure_makes_the_reader_indifferent_to_gain_and_veil() -> None:
    image = np.random.default_rng(6).random((3, 28, 28))
    np.testing.assert_allclose(expose(0.5 * image + 0.2), expose(image), atol=1e-12)


def test_haze_takes_contrast_away() -> None:
    stroke = np.zeros((1, 28, 28))
    stroke[0, 4:24, 12:16] = 1.0
    clear, hazed = (photograph(stroke, *HAZED, np.random.default_rng(7), hazed=hazed) for hazed in (False, True))
    assert hazed.std() < 0.6 * clear.std()
    assert hazed[0, 0, :].mean() > clear[0, 0, :].mean() + 0.1  # the veil lies on the paper too


def _few_images(path: Path) -> None:
    """600 images of noisy bars as stand-ins for digits: 30 writers at the first site, 20 at the second."""
    rng = np.random.default_rng(8)
    label, writer = rng.integers(0, 10, 600), rng.integers(0, 50, 600)
    image = rng.integers(0, 40, (600, 28, 28))
    image[np.arange(600), :, 2 * label + 4] = 255
    image[np.arange(600), :, 2 * label + 5] = 255
    site = np.where(writer < 30, 0, 4)
    np.savez(path, image=image.astype(np.uint8), label=label.astype(np.uint8), hsf=site, writer=writer)


def test_the_script_writes_the_same_bytes_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make_stream, "PREDICTIONS", 3_000)
    _few_images(tmp_path / "images.npz")
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
        make_stream.main(tmp_path / "images.npz", folder)
    names = [path.name for path in sorted(folders[0].iterdir())]
    assert names == [path.name for path in PARQUET]
    assert all((folders[0] / name).read_bytes() == (folders[1] / name).read_bytes() for name in names)


def test_the_script_names_the_arrays_it_misses(tmp_path: Path) -> None:
    np.savez(tmp_path / "images.npz", image=np.zeros((2, 28, 28), np.uint8), label=np.zeros(2, np.uint8))
    with pytest.raises(typer.BadParameter, match=r"missing: hsf, writer"):
        make_stream.main(tmp_path / "images.npz", tmp_path)
