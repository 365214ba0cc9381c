"""What drafted sources give when they are read: of which layout their boxes are, by images and by each other, and what looks
wrong, as ``calwatch check`` would say it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

import duckdb
import numpy as np

from monitor.config.boxes import BoxLayout
from monitor.config.settings import Model, parse_config
from monitor.engine.check.boxes import BATCHES, BoxTrial, find_beside
from monitor.model.errors import SourceError
from monitor.model.problems import Problem
from monitor.model.wording import percent
from monitor.sources.boxes.stage import SAID_BY
from monitor.sources.files import FileSource
from monitor.sources.findings import Weight
from monitor.sources.findings.box_rows import BoxRows, Sizes
from monitor.sources.findings.boxes import are_inside, corners_of, image_sizes
from monitor.sources.formats.layout import Needs

_ENOUGH = 20  # boxes of which a layout is told
_FITS = 0.95  # share of boxes that lie in their images where the layout is right
_CLEAR = 5  # boxes more that do so than as their names say, and the names are not believed
_LAYOUTS: tuple[BoxLayout, ...] = get_args(BoxLayout)
_OUT = 0.02  # of boxes that reach above or left of their image, by which a layout is ruled out


@dataclass(frozen=True, slots=True)
class Tried:
    """Trials by name of the source, and what looks wrong: place and text."""

    trials: Mapping[str, BoxTrial]
    findings: Sequence[tuple[str, str]]

    @property
    def sizes(self) -> Sizes:
        """Of images, from whichever source knows them."""
        held = sorted(self.trials.values(), key=lambda trial: -SAID_BY[trial.holds])
        return {image: size for trial in held for image, size in trial.found.sizes.items()}


def try_sources(text: str, directory: Path) -> Tried:
    """Read the first rows of each source of a drafted configuration of one model of boxes."""
    model = parse_config(text, "calwatch.toml", directory).model[0]
    trials: dict[str, BoxTrial] = {}
    told: list[tuple[str, str]] = []
    with duckdb.connect(config={"memory_limit": "1GB"}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        needs = replace(Needs.of(model), timeless_boxes=True)  # that nobody says times is told of all
        for own in sorted(model.source, key=lambda own: SAID_BY[own.holds]):
            trial = trials[own.name] = BoxTrial(own.holds)
            source = FileSource(own, directory, needs)
            told += [(own.name, said) for said in _read(connection, model, source, trial)]
        beside = find_beside(model, list(trials.items()))
        told += [(source, each.text) for source, each in beside if each.weight is not Weight.NOTE]
    return Tried(trials, list(dict.fromkeys(told)))


def _read(connection: duckdb.DuckDBPyConnection, model: Model, source: FileSource, trial: BoxTrial) -> Iterator[str]:
    batches = 0
    try:
        for found in source.read_batches(connection, {}, datetime.max.replace(tzinfo=UTC)):
            if isinstance(found, Problem):
                yield found.message
                continue
            for batch in found.uniform_batches:
                trial.try_batch(connection, batch, model)
                batches += 1
            if batches >= BATCHES:
                trial.ids_are_all = False
                break
    except SourceError as error:
        yield error.message
    yield from (each.text for each in trial.list_findings() if each.weight is not Weight.NOTE)


@dataclass(frozen=True, slots=True)
class Told:
    """The layout of boxes: why it is that, or "" where their names say so and nothing speaks against it; and what keeps it
    open."""

    layout: BoxLayout
    why: str = ""
    doubt: str = ""


def tell_layout(rows: BoxRows, sizes: Sizes, named: BoxLayout | None) -> Told:
    """Return what the boxes are by the data, or else as ``named``; of a list whose name says nothing ``named`` is None."""
    best = named or "xywh"
    if len(rows) < _ENOUGH:
        doubt = "" if named else "too few boxes to tell a corner and a size from two corners"
        return Told(best, doubt=doubt)
    size = image_sizes(rows, sizes)
    known = np.isfinite(size).all(axis=1)
    if known.sum() >= _ENOUGH:
        fits = {
            layout: float(are_inside(corners_of(rows.boxes[known], layout), size[known]).mean()) for layout in _LAYOUTS
        }
        good = [layout for layout in _LAYOUTS if fits[layout] >= _FITS]
        chosen = max(_LAYOUTS, key=lambda layout: (fits[layout], layout == named))
        if named in good and (fits[chosen] - fits[named]) * known.sum() < _CLEAR:
            return Told(named)
        if good:
            others = ", ".join(f"{percent(fits[each])} as {each}" for each in _LAYOUTS if each != chosen)
            close = [each for each in good if each != chosen]
            doubt = f"read as {close[0]} they lie inside of their images too" if close and named is None else ""
            return Told(chosen, f"{percent(fits[chosen])} of boxes lie inside of their images so read, {others}", doubt)
        return Told(best, doubt=f"in no layout most boxes lie inside of their images ({percent(fits[best])} as {best})")
    return _by_boxes(rows, named)


def _by_boxes(rows: BoxRows, named: BoxLayout | None) -> Told:
    """The same where nobody says how large images are: what all boxes have in common."""
    cornered = bool((rows.boxes[:, 2:] > rows.boxes[:, :2]).all())
    centred = corners_of(rows.boxes, "cxcywh")[:, :2]
    slack = 0.01 if rows.shares.mean() > 0.5 else 1.0
    beyond = float((centred < -slack).any(axis=1).mean())  # of centres, boxes that begin above or left of the image
    if named == "xyxy" and not cornered:
        backward = float((rows.boxes[:, 2:] <= rows.boxes[:, :2]).any(axis=1).mean())
        if backward > _OUT:
            return Told("xywh", f"{percent(backward)} of second corners would lie above or left of the first")
    if named != "xyxy" and cornered:
        return Told(
            "xyxy",
            f"in each of {len(rows):,} boxes the third number is above the first and the fourth above the second",
        )
    if named == "cxcywh" and beyond > _OUT:
        return Told("xywh", f"read as centres {percent(beyond)} of boxes begin above or left of their image")
    if named is None:
        doubt = "" if beyond > _OUT else "a corner or a centre? Nobody says how large images are: give width and height"
        return Told("xywh", "not two corners: some third number is below the first", doubt)
    return Told(named)


ImageKey = Literal["file_name", "file_stem", "xml_stem"]
KEYS: Mapping[str, tuple[str, ...]] = {"coco": ("file_name", "file_stem"), "voc": ("file_stem", "xml_stem")}


def share_known(mine: Sequence[str], known: Sequence[str]) -> float:
    """Share of images that the other side speaks of too; 0 without any."""
    there = set(known)
    return sum(each in there for each in mine) / len(mine) if mine else 0.0
