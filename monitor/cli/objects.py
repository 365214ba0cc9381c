"""What detectors find and miss, in the answers of the command line."""

from collections.abc import Mapping, Sequence
from typing import Any

from monitor.cli.output import print_table
from monitor.cli.versions import version_column
from monitor.model.wording import number, percent


def tell_objects(rows: Sequence[Mapping[str, Any]], *, by_slice: bool) -> None:
    """Print recall, precision and false positives per image of those rows that rest on objects; of others nothing.

    All three are at the threshold in use; a dash: unknown, such as where no threshold is in use.
    """
    own = [row for row in rows if row["truths"] is not None or row["fp_per_image"] is not None]
    if not own:
        return
    named = ("slice",) if by_slice else ()
    print_table(
        "objects, at the threshold in use",
        ("model", *version_column(own), *named, "window", "objects", "recall", "precision", "false positives per image"),
        (
            (
                row["model"], *version_column(own, row["version"]), *(row[name] for name in named), row["window"],
                number(row["truths"], 0), percent(row["threshold_recall"]),
                percent(row["threshold_precision"]), number(row["fp_per_image"]),
            )
            for row in own
        ),
        numeric=("objects", "recall", "precision", "false positives per image"),
    )  # fmt: skip
