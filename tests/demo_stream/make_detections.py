"""Makes the bundled stream of the detectors' story: ``python -m tests.demo_stream.make_detections OUT_DIR``.

Real outputs of two detectors on the 5,000 images of COCO val2017, and what is in these images, from ``tests/data/vision``;
dates, label delays and which detector sees which image are assigned by a seeded generator. Its files are the same on every run.
"""

import json
import sys
from pathlib import Path

import duckdb
import numpy as np

from monitor.cli.demo.detectors import PLAYED, SWAPPED
from monitor.store.connection import load_table, quote_text
from tests.sources.boxes.detector import DATA

SEED = 20260301
LABELLED = 0.9  # of images that somebody looks at
MEDIAN_HOURS, SPREAD, LONGEST_HOURS = 8.0, 0.7, 72.0
_DIGITS = 4  # of shares of the image: a tenth of a pixel and less


def make_detections(out: Path) -> None:
    """Write images, detections and truth."""
    out.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(config={"threads": 1}) as connection:
        _load_images(connection)
        _load_categories(connection)
        boxes = ", ".join(
            f"round({own}, {_DIGITS})::FLOAT AS {name}"
            for name, own in zip(("x1", "y1", "x2", "y2"), _CORNERS, strict=True)
        )
        detectors = " UNION ALL ".join(
            f"SELECT *, file_row_number AS place, {swapped} AS swapped FROM read_parquet({quote_text(str(DATA / name))}, "
            "file_row_number = true)"
            for name, swapped in (("ssd-inception-v2.parquet", "false"), ("faster-rcnn-resnet-50.parquet", "true"))
        )
        files = {
            "images": f"SELECT {_named('image_id')}, observed_at FROM images ORDER BY observed_at",
            "detections": f"SELECT {_named('d.image_id')}, c.name AS class, c.kind, round(score, 5)::FLOAT AS score, {boxes} "
            f"FROM ({detectors}) AS d JOIN images AS i USING (image_id, swapped) JOIN categories AS c ON c.id = d.class "
            "ORDER BY observed_at, place",
            "truth": f"SELECT {_named('i.image_id')}, i.labelled_at, c.name AS class, {boxes} FROM images AS i LEFT JOIN "
            f"(SELECT *, file_row_number AS place FROM read_parquet({quote_text(str(DATA / 'coco_val2017_gt.parquet'))}, "
            "file_row_number = true)) AS t USING (image_id) LEFT JOIN categories AS c ON c.id = t.class "
            "WHERE i.labelled_at IS NOT NULL ORDER BY observed_at, place",
        }
        for name, query in files.items():
            target = quote_text(str(out / f"{name}.parquet"))
            connection.execute(f"COPY ({query}) TO {target} (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 19)")


_KINDS = (  # COCO's supercategories: the last number of each
    (1, "person"), (9, "vehicle"), (15, "outdoor"), (25, "animal"), (33, "accessory"), (43, "sports"), (51, "kitchen"),
    (61, "food"),
    (71, "furniture"), (77, "electronic"), (83, "appliance"), (90, "indoor"),
)  # fmt: skip
_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def _named(id_: str) -> str:
    """SQL: an image by the name of its file, as COCO has it."""
    return f"lpad({id_}::VARCHAR, 12, '0') AS image_id"


def _load_images(connection: duckdb.DuckDBPyConnection) -> None:
    """When each image was taken, by which camera, when somebody said what is in it, and which detector saw it."""
    rng = np.random.default_rng(SEED)
    ids = connection.execute(f"SELECT image_id FROM {quote_text(str(DATA / 'images.parquet'))} ORDER BY 1").fetchnumpy()
    images = rng.permutation(ids["image_id"].astype(np.int64))
    began, ended = (np.datetime64(moment.replace(tzinfo=None), "s") for moment in PLAYED)
    seconds = np.sort(rng.choice(int((ended - began).astype(int)), len(images), replace=False))
    observed = began + seconds.astype("timedelta64[s]")
    hours = np.minimum(MEDIAN_HOURS * np.exp(SPREAD * rng.standard_normal(len(images))), LONGEST_HOURS)
    labelled = observed + (3600 * hours).astype("timedelta64[s]")
    labelled[rng.random(len(images)) > LABELLED] = np.datetime64("NaT")
    swapped = observed >= np.datetime64(SWAPPED.replace(tzinfo=None), "s")
    load_table(connection, "images", {
        "image_id": images, "observed_at": observed.astype("datetime64[us]"), "labelled_at": labelled.astype("datetime64[us]"),
        "swapped": swapped,
    })  # fmt: skip


def _load_categories(connection: duckdb.DuckDBPyConnection) -> None:
    """COCO's names by number, and the kinds of things they are of."""
    document = json.loads((DATA / "coco_val2014_100.json").read_text("utf-8"))
    held = document["categories"]
    load_table(connection, "categories", {
        "id": np.array([each["id"] for each in held], dtype=np.int64),
        "name": np.array([each["name"] for each in held], dtype=object),
        "kind": np.array([next(kind for last, kind in _KINDS if each["id"] <= last) for each in held], dtype=object),
    })  # fmt: skip


if __name__ == "__main__":
    make_detections(Path(sys.argv[1]))
