"""The first rows of a source, tried: what would be taken of them, why the others would be set aside, and what looks wrong in
those that would be taken. Nothing is kept."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import duckdb

from monitor.config.settings import Model
from monitor.config.sources import SourceSettings
from monitor.model import Slice, Task
from monitor.model.durations import format_duration
from monitor.model.nouns import GROUP
from monitor.model.wording import describe_alone, describe_straddling, first_few, minute, quantity
from monitor.sources.batch import Batch
from monitor.sources.findings import Finding, Weight
from monitor.sources.findings.delays import find_short_spans, keep_delays
from monitor.sources.findings.rows import find_oddities
from monitor.sources.ingest.review import Refusal, mapped_signs, review_files
from monitor.sources.ingest.staging import CLOCK_SKEW, EVER, stage_batch
from monitor.sources.labels.rules import words_predicted
from monitor.sources.remedies import Lateness, tell_remedy
from monitor.sources.times.expressions import contrary_zone
from monitor.store.connection import fetch_column, fetch_row, make_aware, make_naive, quote_name
from monitor.store.group_spans import measure_straddling
from monitor.store.scores.agreement import Agreement, count_agreement
from monitor.store.scores.logits import Kinds, count_kinds, remark_logits, suspect_logits
from monitor.store.sql import statement
from monitor.store.values import LabelRules, plain_text

IDS = 500_000  # of predictions, kept where labels come by themselves and have to find them
ROWS, BATCHES = 10_000, 20  # tried: that many rows of each of the first batches, which are files or runs of alike files
ENOUGH = 20  # labels of which shares are told, and groups that may be too small
LEAST_TAKEN = 0.95  # of the rows tried, below which something is wrong


def tell_ages(old: int, ahead: int, rows: int, at: datetime, model: Model, time_zone: str) -> Iterator[str]:
    """Say how many of the rows tried are too old, or ahead of ``at``; sentences go on from the source's name."""
    if ahead:
        yield (
            f"{ahead:,} of the {quantity(rows, 'row')} tried are ahead of now, {minute(at)} UTC, and would be set aside as "
            f'time_in_future: is time_zone = "{time_zone}" that of its times?'
        )
    if old:
        yield (
            f"{old:,} of the {quantity(rows, 'row')} tried are older than retention ({format_duration(model.retention)}) and "
            "would be set aside as older_than_retention by run and once: calwatch backtest plays them at their own time"
        )


@dataclass(slots=True)
class Trial:
    """What came of one source's first rows; times are UTC. ``bad`` counts by reason, ``examples`` are of each.

    Of the rows that can be taken: ``named`` have a predicted class, ``bare`` a label and no outcome yet, ``clipped`` a score a
    hair outside [0, 1], ``minus`` an outcome written −1; a cycle at the time asked about would refuse ``old`` and ``ahead``.
    ``missing``: how often each word was taken for a label that is missing. ``refused``: files none of which is taken.
    """

    batches: int = 0
    rows: int = 0
    labelled: int = 0
    named: int = 0
    bare: int = 0
    old: int = 0
    ahead: int = 0
    clipped: int = 0
    minus: int = 0
    identities: int = 0
    dated: list[int] = field(default_factory=lambda: [0, 0])  # labels, and those that say no time
    first: datetime | None = None
    last: datetime | None = None
    bad: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    missing: Counter[str] = field(default_factory=Counter)
    refused: dict[str, Refusal] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    late: list[Lateness] = field(default_factory=list)
    ids: dict[str, None] = field(default_factory=dict)  # of predictions, or of labels that say something
    groups: tuple[str, ...] = ()
    noun: str = GROUP  # what one is called
    ids_are_all: bool = True
    slices: set[Slice] = field(default_factory=set)  # whose predictions can be taken; some of them where there are many
    contrary: dict[str, str] = field(default_factory=dict)  # zone names at times of the year when clocks show another
    meaning: SourceSettings | None = None
    logits: Kinds = field(default_factory=Kinds)
    agreed: Agreement = field(default_factory=Agreement)

    def try_batch(self, connection: duckdb.DuckDBPyConnection, batch: Batch, model: Model, holds: str) -> None:
        """Try the first rows of one more batch, unless enough were tried. Raises duckdb.Error where they cannot be read."""
        if self.batches == BATCHES:
            return
        self.batches += 1
        self.meaning = batch.meaning
        some = replace(batch, relation=f"SELECT * FROM ({batch.relation}) LIMIT {ROWS}")
        rules = LabelRules.of(model, batch.meaning, ())
        for _ in range(2):
            stage_batch(connection, model, some, rules, holds=holds, times=EVER)
            words = words_predicted(connection) if "predicted_class" in batch.types else {}
            if rules.own_missing or words.keys() <= rules.classes:
                break
            rules = rules.with_classes(words)
        self._review(connection, some, rules)
        if "logits" in batch.types and holds == "samples":
            self.logits += count_kinds(connection)
            self.agreed += Agreement() if model.task is Task.BINARY else count_agreement(connection, model.classes)
        if (contrary := contrary_zone(connection, some)) is not None:
            self.contrary.setdefault(*contrary)
        self.missing += _missing_words(connection, some, rules)
        first = "CREATE TEMP TABLE tried AS" if self.batches == 1 else "INSERT INTO tried BY NAME"
        place = "" if self.batches == 1 else " + (SELECT coalesce(max(place), 0) + 1 FROM tried)"
        connection.execute(f"{first} SELECT *, row_number() OVER (ORDER BY position){place} AS place FROM staged")

    def keep_ids(self, connection: duckdb.DuckDBPyConnection, batch: Batch) -> None:
        """Keep the ids of all the batch's rows, as many as ``IDS`` in all; not only of those that are tried."""
        left = IDS - len(self.ids)
        if self.batches > BATCHES or left <= 0 or "sample_id" not in batch.types:
            self.ids_are_all = False
            return
        text = plain_text(quote_name("sample_id"), batch.types["sample_id"])
        ids = fetch_column(connection, f"SELECT {text} FROM ({batch.relation}) LIMIT {left + 1}")
        self.ids_are_all &= len(ids) <= left
        self.ids.update(dict.fromkeys(id_ for id_ in ids if id_ is not None))

    def _review(self, connection: duckdb.DuckDBPyConnection, batch: Batch, rules: LabelRules) -> None:
        files = fetch_column(connection, "SELECT DISTINCT file FROM staged")
        numbers = {file: self.files.setdefault(file, len(self.files)) for file in files}
        found = review_files(connection, rules, batch, self.facts, numbers)
        self.facts |= found.facts
        # what could not be decided before may be by now
        self.refused = {
            file: each for file, each in self.refused.items() if not (each.may_pass and mapped_signs(self.facts))
        }
        self.refused |= found.refused

    def inspect_tried(
        self, connection: duckdb.DuckDBPyConnection, model: Model, holds: str, at: datetime | None
    ) -> None:
        """Look at all that was tried; ``at``: when the rows would be pulled, None: whether they are old is not asked."""
        if not self.batches:
            return
        oldest, now = EVER if at is None else (at - model.retention, at + CLOCK_SKEW)
        if self.refused:
            connection.execute(
                "UPDATE tried SET reason = 'refused' WHERE list_contains($files, file)", {"files": list(self.refused)}
            )
        found = fetch_row(
            connection, statement("tried_counts"), {"oldest": make_naive(oldest), "latest": make_naive(now)}
        )
        self.rows, self.labelled, first, last, self.named, self.bare, self.old, self.ahead = found[:8]
        self.clipped, self.minus, self.identities, *self.dated = found[8:]
        self.first, self.last = make_aware(first), make_aware(last)
        reasons = connection.execute(statement("tried_reasons")).fetchall()
        for reason, count, file, row, record in reasons:
            self.bad[reason] = count
            self.examples[reason] = f"row {row} of {file}: {(record or '')[:300]}"
        self.findings += find_oddities(connection, model, holds, self.meaning)
        if holds == "samples":
            self.late = keep_delays(connection)
            self.findings += find_short_spans(connection, model)
            self._look_at_groups(connection, model)
        else:
            labelled = "SELECT sample_id FROM tried WHERE reason IS NULL AND labelled ORDER BY place"
            self.ids = dict.fromkeys(fetch_column(connection, labelled))
        self.findings += [Finding(text) for text in self.contrary.values()]
        meaning = self.meaning
        if meaning is not None and self.logits.vectors + self.logits.single:
            suspect = suspect_logits(self.logits, self.agreed, model.classes, meaning)
            self.findings += [Finding(text) for text in suspect]
            self.findings += [Finding(text, Weight.NOTE) for text in remark_logits(self.logits, meaning)]

    def _look_at_groups(self, connection: duckdb.DuckDBPyConnection, model: Model) -> None:
        groups = "SELECT DISTINCT group_id FROM tried WHERE reason IS NULL AND group_id IS NOT NULL LIMIT 100000"
        self.groups, self.noun = tuple(fetch_column(connection, groups)), model.noun
        if model.group_noun and not self.groups:
            self.findings.append(Finding(describe_no_groups(model.noun)))
        elif len(self.groups) >= ENOUGH and _name_rows(connection):
            weight = Weight.SUSPICIOUS if model.group_noun else Weight.NOTE
            self.findings.append(Finding(describe_groups_of_one(model.noun), weight))
        keys = fetch_column(connection, "SELECT DISTINCT slice_key FROM tried WHERE reason IS NULL LIMIT 10000")
        self.slices = {Slice.of(dict(zip(model.slices, key.split("\x1f"), strict=False))) for key in keys}
        spans = measure_straddling(connection, "tried", model.bucket)
        if spans.suspicious or spans.over_buckets:
            weight = Weight.SUSPICIOUS if spans.suspicious else Weight.NOTE
            self.findings.append(Finding(describe_straddling(spans, model.bucket), weight))
        if alone := describe_alone(spans):
            self.findings.append(Finding(alone, Weight.SUSPICIOUS if spans.partly_alone else Weight.NOTE))

    @property
    def acceptable(self) -> int:
        """Rows that calwatch would take."""
        return self.rows - self.bad.total()

    def list_findings(self, at: datetime | None, model: Model, time_zone: str) -> list[Finding]:
        """All that is worth knowing; sentences go on from the source's name. ``time_zone``: the source's."""
        mistakes = [Finding(f"{file}: {refusal.why}", Weight.MISTAKE) for file, refusal in self.refused.items()]
        return [*mistakes, *self._set_aside(model), *self.findings, *self._notes(at, model, time_zone)]

    def _set_aside(self, model: Model) -> list[Finding]:
        """A sentence for each reason to set rows aside, the most frequent first."""
        looked = self.rows - self.bad["refused"]
        few = self.acceptable >= LEAST_TAKEN * looked
        weight = Weight.NOTE if few else Weight.SUSPICIOUS if self.acceptable else Weight.MISTAKE
        return [
            Finding(f"{count:,} of the {quantity(looked, 'row')} tried would be set aside as {reason}, "
                f"such as {self.examples[reason]}{tell_remedy(reason, self.late, model.label_horizon)}", weight)
            for reason, count in self.bad.most_common()
            if reason != "refused"
        ]  # fmt: skip

    def _notes(self, at: datetime | None, model: Model, time_zone: str) -> list[Finding]:
        said = []
        if not self.rows:
            said.append("has no row yet, only a header")
        if self.missing:
            words = first_few([f'"{word}" ({count:,})' for word, count in self.missing.most_common()], 5)
            said.append(
                f"{quantity(self.missing.total(), 'label')} tried were taken as missing, not labelled yet, by their word: "
                f"{words}. missing_labels in [model.source] names other words"
            )
        if self.minus and mapped_signs(self.facts):
            said.append(f"{quantity(self.minus, 'outcome')} tried are written −1, beside 1: they count as 0")
        if self.clipped:
            said.append(
                f"{quantity(self.clipped, 'score')} tried lie a hair outside 0 to 1, as rounding of a softmax gives them, and "
                "count as 0 or 1"
            )
        labels, undated = self.dated
        long = self.first is None or self.last is None or self.last - self.first > timedelta(days=1)
        if at is not None and labels >= ENOUGH and undated > labels / 2 and long:
            said.append(
                f"{undated:,} of {quantity(labels, 'label')} tried say no labelled_at, and count as given when calwatch first "
                "reads them: how long those that are there now took is unknown, and so is label lag until windows begin after "
                "that; map labelled_at where it is known"
            )
        if at is not None:
            said += tell_ages(self.old, self.ahead, self.rows, at, model, time_zone)
        return [Finding(text, Weight.NOTE) for text in said]

    def summary(self, holds: str) -> str:
        """What can be taken, in one sentence."""
        said = f"{quantity(self.acceptable, 'row')} of {self.rows:,} tried can be taken"
        if holds == "labels":
            return said
        if self.identities < self.acceptable:
            said += f" (they name {quantity(self.identities, 'prediction')}: the others come again)"
        if self.first is not None and self.last is not None:
            said += f", observed {minute(self.first)} to {minute(self.last)} UTC"
        groups = f"; they come in {quantity(len(self.groups), self.noun)}" if self.groups else ""
        return f"{said}, {self.labelled:,} with an outcome{groups}"


def describe_no_groups(noun: str) -> str:
    """That groups have a name and no sample is in one."""
    return (
        f'group_noun is "{noun}", and no row tried has a group_id: samples count as independent, each by itself. What tells '
        f'which {noun} a row belongs to? Map it: columns = {{ group_id = "…" }}'
    )


def describe_groups_of_one(noun: str) -> str:
    """That each group is of one sample, so that samples count as independent as without groups."""
    return (
        f"each sample tried is alone in its {noun}: group_id is another in every row, so that samples count as independent, "
        "as they do without it. Is it the id of the row, rather than of the image, the clip or the study that rows come from?"
    )


def _name_rows(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether no group has a second sample; one that was read again is the same, and one that counts many pixels is a group
    by itself."""
    return bool(fetch_row(connection, statement("tried_groups_of_one"))[0])


def _missing_words(connection: duckdb.DuckDBPyConnection, batch: Batch, rules: LabelRules) -> Counter[str]:
    """How often each word of the columns outcome and label means that there is no label yet; empty values are none."""
    found: Counter[str] = Counter()
    for name in ("outcome", "label"):
        if name not in batch.types:
            continue
        kind, column = batch.types[name], quote_name(name)
        own = replace(rules, classes=frozenset()) if name == "outcome" else rules
        text = plain_text(column, kind)
        if kind in ("DOUBLE", "FLOAT"):  # NaN has no word of its own
            text = f"CASE WHEN isnan({column}) THEN 'NaN' ELSE {text} END"
        rows = connection.execute(
            f"SELECT word, count(*) FROM (SELECT {text} AS word FROM ({batch.relation})) "
            f"WHERE word IS NOT NULL AND {own.missing_sql('word')} GROUP BY word"
        ).fetchall()
        found.update(dict(rows))
    return found
