"""Makes the demo's Parquet files: ``python -m tests.demo_stream.make_stream IMAGES.npz OUT_DIR``.

IMAGES.npz holds the 10,000 MNIST test images with their QMNIST metadata: ``image`` uint8 [n, 28, 28], ``label`` [n],
``hsf`` [n] (site: 0 census staff, 4 students) and ``writer`` [n]. README.md here says what the stream consists of.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import duckdb
import numpy as np
import typer
from rich.console import Console
from scipy.special import softmax

from monitor.cli.demo import STREAM_BEGAN, STREAM_ENDED
from tests.demo_stream.arrivals import Rows, label_times, with_flaws
from tests.demo_stream.cameras import CAMERAS, LIGHTINGS, expose, photograph
from tests.demo_stream.network import Floats, Integers, Network, fit_temperature, train
from tests.demo_stream.traffic import Traffic, passing, second

SEED = 1
PREDICTIONS = 54_000
TRAINING_WRITERS = 14
TRAINING_PHOTOGRAPHS = 4  # of each training image, each under a random camera and lighting
PILOT_SHARE = 0.4  # of the other writers' images; the initial temperature is fitted on these, the rest is production
FIRST_SITE, SECOND_SITE = 0, 4  # QMNIST's hsf
LOGIT_STEP = 1 / 64  # stored logits are multiples of this: exact in float32, and small on disk
VERSION = "digits-1"
PREFIX = "digits-"  # files are digits-2026-01-01.parquet, …: rows by week of arrival
ARRAYS = ("image", "label", "hsf", "writer")


@dataclass(frozen=True, slots=True)
class Images:
    """Brightness in [0, 1] and label of every image, and the indices of each part."""

    pixels: Floats  # [n, 28, 28]
    labels: Integers  # [n]
    training: Integers
    pilot: Integers
    production: Integers
    second_site: Integers


def load(path: Path, rng: np.random.Generator) -> Images:
    """The images, parted by writer (training against the rest) and at random (pilot against production)."""
    with np.load(path) as arrays:
        if missing := [name for name in ARRAYS if name not in arrays]:
            raise typer.BadParameter(f"{path}: needs the arrays {', '.join(ARRAYS)} (missing: {', '.join(missing)})")
        image, label, site, writer = (arrays[name] for name in ARRAYS)
    first = np.flatnonzero(site == FIRST_SITE)
    trained_on = rng.permutation(np.unique(writer[first]))[:TRAINING_WRITERS]
    is_training = np.isin(writer[first], trained_on)
    rest = rng.permutation(first[~is_training])
    pilot, production = np.split(rest, [round(PILOT_SHARE * len(rest))])
    return Images(
        image / 255.0,
        label.astype(np.int64),
        first[is_training],
        pilot,
        production,
        np.flatnonzero(site == SECOND_SITE),
    )


def under_random_optics(images: Images, rows: Integers, rng: np.random.Generator) -> Floats:
    """Model inputs [len(rows), 784] of the images at ``rows``, each photographed once by a random camera."""
    combination = rng.integers(len(CAMERAS) * len(LIGHTINGS), size=len(rows))
    inputs = np.empty((len(rows), images.pixels[0].size))
    for number, (camera, lighting) in enumerate((c, light) for c in CAMERAS for light in LIGHTINGS):
        chosen = combination == number
        inputs[chosen] = expose(photograph(images.pixels[rows[chosen]], camera, lighting, rng))
    return inputs


def served_model(images: Images, rng: np.random.Generator) -> tuple[Network, float]:
    """The trained network and its initial temperature, fitted on the pilot images under ordinary optics."""
    training = np.tile(images.training, TRAINING_PHOTOGRAPHS)
    network = train(under_random_optics(images, training, rng), images.labels[training], rng)
    pilot = np.tile(images.pilot, len(CAMERAS) * len(LIGHTINGS))
    return network, fit_temperature(network.logits(under_random_optics(images, pilot, rng)), images.labels[pilot])


def served_logits(
    network: Network, temperature: float, images: Images, traffic: Traffic, rng: np.random.Generator
) -> Floats:
    """Logits [n, 10] as production serves them: divided by the initial temperature, rounded to ``LOGIT_STEP``."""
    logits = np.empty((len(traffic.image), 10))
    for camera in CAMERAS:
        for lighting in LIGHTINGS:
            for hazed in (False, True):
                chosen = (traffic.camera == camera) & (traffic.lighting == lighting) & (traffic.hazed == hazed)
                pictures = photograph(images.pixels[traffic.image[chosen]], camera, lighting, rng, hazed=hazed)
                logits[chosen] = network.logits(expose(pictures)) / temperature
    return np.round(logits / LOGIT_STEP) * LOGIT_STEP


def predictions(images: Images, traffic: Traffic, logits: Floats, rng: np.random.Generator) -> Rows:
    """One row per prediction, without flaws. The score is the largest softmax probability of the stored logits."""
    count = len(traffic.image)
    labelled_at = label_times(traffic.observed_at, rng)
    label = images.labels[traffic.image].astype(str).astype(object)
    label[np.isnat(labelled_at)] = None
    rows: Rows = {
        "sample_id": np.array([f"d{number:05d}" for number in range(count)], dtype=object),
        "observed_at": traffic.observed_at,
        "labelled_at": labelled_at,
        "camera": traffic.camera,
        "lighting": traffic.lighting,
        "predicted_class": logits.argmax(axis=1).astype(str).astype(object),
        "label": label,
        "score": softmax(logits, axis=1).max(axis=1),
    }
    return rows | {f"logit{k}": logits[:, k] for k in range(logits.shape[1])}


COPY = f"""
COPY (
    SELECT sample_id, observed_at::TIMESTAMP AT TIME ZONE 'UTC' AS observed_at,
           labelled_at::TIMESTAMP AT TIME ZONE 'UTC' AS labelled_at,  -- ::TIMESTAMP: microseconds, not nanoseconds
           camera, lighting, predicted_class, label,
           coalesce(score, 'nan'::DOUBLE) AS score,  -- DuckDB reads numpy's NaN as NULL; every score is known here
           [logit0, logit1, logit2, logit3, logit4, logit5, logit6, logit7, logit8, logit9]::FLOAT[] AS logits,
           '{VERSION}' AS version
    FROM week
) TO ? (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 19, PARQUET_VERSION v2)
"""


def write(rows: Rows, folder: Path) -> list[Path]:
    """Writes ``rows`` to ``folder``, a file per week of arrival; what arrives after the stream is in the last file."""
    starts = np.arange(second(STREAM_BEGAN), second(STREAM_ENDED), np.timedelta64(7, "D"))
    file_of_row = np.searchsorted(starts, rows["arrived_at"], side="right") - 1
    paths = []
    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for number, start in enumerate(starts):
            paths.append(folder / f"{PREFIX}{start.astype('datetime64[D]')}.parquet")
            connection.register("week", {name: column[file_of_row == number] for name, column in rows.items()})
            connection.execute(COPY, [str(paths[-1])])
    return paths


def main(
    images_file: Annotated[Path, typer.Argument(metavar="IMAGES.npz", exists=True, dir_okay=False)],
    out_dir: Annotated[Path, typer.Argument(metavar="OUT_DIR", exists=True, file_okay=False)],
) -> None:
    """Train the digit reader, run it over 60 assigned days and write what it answered."""
    for_parts, for_model, for_traffic, for_photographs, for_arrivals = (
        np.random.default_rng(sequence) for sequence in np.random.SeedSequence(SEED).spawn(5)
    )
    images = load(images_file, for_parts)
    network, temperature = served_model(images, for_model)
    traffic = passing(PREDICTIONS, images.production, images.second_site, for_traffic)
    logits = served_logits(network, temperature, images, traffic, for_photographs)
    rows = with_flaws(predictions(images, traffic, logits, for_arrivals), for_arrivals)
    paths = write(rows, out_dir)
    Console().print(
        f"{len(images.training)} training, {len(images.pilot)} pilot, {len(images.production)} production images; "
        f"initial temperature {temperature:.3f}\n{len(rows['sample_id'])} rows in {len(paths)} files, "
        f"{sum(path.stat().st_size for path in paths) / 1e6:.2f} MB"
    )


if __name__ == "__main__":
    typer.run(main)
