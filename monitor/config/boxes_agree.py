"""What of a model whose samples are boxes does not go together."""

from collections.abc import Iterator, Sequence

from monitor.config.boxes import BOX_HOLDS, NO_SLICES, SIZE, Matching
from monitor.config.section import At
from monitor.config.sources import OWN_COLUMNS, SourceSettings
from monitor.config.toml import list_words
from monitor.model import Task

_KINDS = 'holds = "images", "detections" and "truth"'


def box_mistakes(
    task: Task, sources: Sequence[SourceSettings], matching: Matching | None, slices: Sequence[str]
) -> Iterator[str]:
    """Yield what does not go together in words, each with its place."""
    held = [source.holds for source in sources]
    boxes = [number for number, holds in enumerate(held) if holds in BOX_HOLDS]
    if not boxes:
        if matching is not None:
            told = (
                "is for boxes that calwatch matches itself" if task is Task.DETECTION else 'goes with task "detection"'
            )
            yield At(f"matching {told}: it needs sources with {_KINDS}", "matching")
        return
    if task is not Task.DETECTION:
        first = held[boxes[0]]
        yield At(f'holds "{first}" needs task "detection" (task is "{task.value}")', "source", boxes[0])
        return
    for number, holds in enumerate(held):
        if holds not in BOX_HOLDS:
            yield At(
                f'holds "{holds}" beside sources of boxes: a detector has rows that are matched already, or {_KINDS}, not both',
                "source", number,
            )  # fmt: skip
    if "detections" not in held:
        yield 'source: of a detector one must hold "detections"'
    taken = [dimension for dimension in slices if dimension in NO_SLICES.difference(OWN_COLUMNS)]
    for dimension in taken:
        yield f'slices must not use "{dimension}", a column of boxes; map yours under another name'
    if SIZE in slices and (matching is None or not matching.size):
        yield 'slices names "size": give its limits in pixels, matching.size = [32, 96]'
    if {"class", "predicted_class"} <= set(slices):
        yield f"slices names the class of a detection twice: keep {list_words(['class', 'predicted_class'])}"
