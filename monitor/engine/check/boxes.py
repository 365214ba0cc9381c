"""The sources of a detector in ``calwatch check``: the first rows of images, detections and truth, each for itself and side by
side. Nothing is matched."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import duckdb

from monitor.config.boxes import BoxLayout, Matching
from monitor.config.settings import Model
from monitor.model.wording import quantity, quote_names
from monitor.sources.batch import Batch
from monitor.sources.boxes.stage import SAID_BY, keep_records, review_boxes, says_when, stage_boxes
from monitor.sources.findings import Finding, Weight
from monitor.sources.findings.box_pairs import Images, find_odd_classes, find_units_apart, find_unknown_images
from monitor.sources.findings.box_rows import BoxRows, join_rows, read_rows
from monitor.sources.findings.box_sides import find_lost_objects, find_outside, list_sides
from monitor.sources.findings.boxes import find_odd_boxes
from monitor.sources.formats.boxes.categories import CATEGORIES, describe_contradictions, merge_names, unambiguous_names
from monitor.sources.ingest.staging import CLOCK_SKEW, EVER
from monitor.sources.remedies import tell_remedy
from monitor.store.connection import fetch_column, fetch_row, make_naive
from monitor.store.sql import statement
from monitor.store.values import plain_text

ROWS, BATCHES, IDS = 20_000, 20, 500_000  # rows tried of a batch, batches of a source, images of a source
_OUTSIDE = "box_outside_image"
LEAST_TAKEN = 0.95  # of the rows tried, below which something is wrong


@dataclass(slots=True)
class BoxTrial:
    """What came of one source's first rows. ``bad`` counts by reason, ``examples`` are of each; ``refused``: files none of
    which is taken; ``names``: number of a class → names that its files say."""

    holds: str
    batches: int = 0
    rows: int = 0
    bad: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    ids: dict[str, None] = field(default_factory=dict)
    ids_are_all: bool = True
    parts: list[BoxRows] = field(default_factory=list)
    old: int = 0
    ahead: int = 0

    def try_batch(
        self, connection: duckdb.DuckDBPyConnection, batch: Batch, model: Model, at: datetime | None = None
    ) -> None:
        """Try the first rows of one more batch, unless enough were tried. ``at``: when they would be pulled. Raises
        duckdb.Error where they cannot be read."""
        self._keep_ids(connection, batch)
        if self.batches == BATCHES:
            return
        self.batches += 1
        connection.execute(statement("tried_images"))
        some = replace(batch, relation=f"SELECT * FROM ({batch.relation}) LIMIT {ROWS}")
        stage_boxes(connection, model, 0, some, EVER)
        files = fetch_column(connection, "SELECT DISTINCT file FROM staged")
        numbers = {file: self.files.setdefault(file, len(self.files)) for file in files}
        found = review_boxes(connection, some, self.facts, numbers)
        self.facts |= found.facts
        if self.holds != "truth":
            connection.execute(statement("tried_times"))
        keep_records(connection, some)
        connection.execute(statement("tried_images_insert"), {"said_by": SAID_BY[self.holds]})
        self.refused |= {file: refusal.why for file, refusal in found.refused.items()}
        merge_names(self.names, json.loads(batch.facts.get(CATEGORIES, "{}")))
        left_out = list(found.refused)
        for reason, count, row, file, record in connection.execute(
            statement("tried_box_reasons"), {"refused": left_out}
        ).fetchall():
            self.rows += count
            if reason is not None:
                self.bad[reason] += count
                self.examples.setdefault(reason, f"row {row} of {file}: {(record or '')[:300]}")
        if at is not None and says_when(model, self.holds):
            limits = {"oldest": make_naive(at - model.retention), "latest": make_naive(at + CLOCK_SKEW)}
            old, ahead = fetch_row(connection, statement("tried_ages"), {**limits, "refused": left_out})
            self.old, self.ahead = self.old + old, self.ahead + ahead
        self.parts.append(read_rows(connection, some.relation, some.types, boxes_of(model)))

    def _keep_ids(self, connection: duckdb.DuckDBPyConnection, batch: Batch) -> None:
        left = IDS - len(self.ids)
        if left <= 0 or "image_id" not in batch.types:
            self.ids_are_all = False
            return
        text = plain_text("image_id", batch.types["image_id"])
        ids = fetch_column(connection, f"SELECT DISTINCT {text} FROM ({batch.relation}) LIMIT {left + 1}")
        self.ids_are_all &= len(ids) <= left
        self.ids.update(dict.fromkeys(each for each in ids if each is not None))

    @property
    def found(self) -> BoxRows:
        """All rows tried that have a box."""
        return join_rows(self.parts)

    def list_findings(self) -> Iterator[Finding]:
        """What can be said of the source for itself, but for its boxes."""
        yield from (Finding(f"{file}: {why}", Weight.MISTAKE) for file, why in self.refused.items())
        taken = self.rows - self.bad.total()
        few = taken >= LEAST_TAKEN * self.rows
        weight = Weight.NOTE if few else Weight.SUSPICIOUS if taken else Weight.MISTAKE
        for reason, count in self.bad.most_common():
            yield Finding(
                f"{count:,} of the {quantity(self.rows, 'row')} tried would be set aside as {reason}, such as "
                f"{self.examples[reason]}{tell_remedy(reason)}",
                weight,
            )
        if told := describe_contradictions({number: each for number, each in self.names.items() if "\x1f" in each}):
            yield Finding(told, Weight.SUSPICIOUS)

    def summary(self) -> str:
        """What can be taken, in one sentence."""
        some = "" if self.ids_are_all else "at least "
        return (
            f"{quantity(self.rows - self.bad.total(), 'row')} of {self.rows:,} tried can be taken; it speaks of "
            f"{some}{quantity(len(self.ids), 'image')}"
        )


def boxes_of(model: Model) -> BoxLayout:
    """What four numbers of a column ``box`` are."""
    return (model.matching or Matching.model_validate({})).boxes


def find_beside(model: Model, trials: Sequence[tuple[str, BoxTrial]]) -> Iterator[tuple[str, Finding]]:
    """What looks wrong in boxes, by source, and where images, detections and truth stand beside each other (under "").
    ``trials``: by name of the source."""
    held = {holds: [trial for _, trial in trials if trial.holds == holds] for holds in SAID_BY}
    rows = {holds: join_rows([trial.found.without(trial.refused) for trial in some]) for holds, some in held.items()}
    sizes = {image: size for holds in reversed(SAID_BY) for image, size in rows[holds].sizes.items()}
    odd = list[Finding]()
    for name, trial in trials:
        told = [*find_odd_boxes(trial.found, sizes)]
        odd += [each for each in told if each.weight is Weight.SUSPICIOUS]
        told = told or [*find_outside(trial.found.without(trial.refused), sizes, trial.bad[_OUTSIDE])]
        yield from ((name, each) for each in told)
    ids = {holds: list(dict.fromkeys(each for trial in some for each in trial.ids)) for holds, some in held.items()}
    are_all = all(trial.ids_are_all for _, trial in trials)
    beside = [*find_unknown_images(Images(ids["images"], ids["detections"], ids["truth"], are_all))]
    names: dict[str, str] = {}
    for trial in held["truth"]:
        merge_names(names, trial.names)
    known = unambiguous_names(names)
    beside += list_sides(rows["detections"], rows["truth"], sizes, odd=odd, are_all=are_all)
    beside += find_odd_classes(rows["detections"], rows["truth"], sizes, known, model.classes)
    sized = bool(model.matching and model.matching.size)
    beside += find_units_apart(rows["detections"], rows["truth"], sizes, sized=sized)
    beside += _untimed(ids, rows)
    if not ids["images"]:
        timed = {image for each in rows.values() for image in each.times}
        beside += find_lost_objects(ids["detections"], rows["truth"], timed, are_all=are_all)
    if not held["truth"]:
        beside.append(
            Finding(
                "no source holds truth: no detection is labelled, and without labels nothing can be measured: add a "
                '[[model.source]] with holds = "truth"',
                Weight.NOTE,
            )
        )
    yield from (("", told) for told in beside)


def _untimed(ids: dict[str, list[str]], rows: dict[str, BoxRows]) -> Iterator[Finding]:
    """Images with detections tried of which nobody says when they were taken: they would wait for ever."""
    timed = {image for each in rows.values() for image in each.times}
    tried = list(dict.fromkeys(image for part in ("images", "detections") for image in rows[part].images))
    lonely = [image for image in tried if image not in timed]
    if lonely and (timed or ids["detections"]):
        who = quantity(len(tried), "image")
        who = f"of {len(lonely):,} of {who}" if len(lonely) < len(tried) else f"of all {who}"
        yield Finding(
            f"{who} tried, such as {quote_names(lonely[:2])}, nobody says when they were taken: they wait until somebody does. "
            'Give observed_at with holds = "images", or date_captured in COCO',
            Weight.SUSPICIOUS,
        )
