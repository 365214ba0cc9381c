"""What `[[model.source]]` says: where rows come from, what their columns are called, and how values are to be read."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from pydantic import ConfigDict, Field

from monitor.config.boxes import BOX_DIMENSIONS, BOX_HOLDS, COLUMNS_OF, FORMATS_OF_BOXES, OFTEN_MEANT, Holds
from monitor.config.fields import Duration, Name, PathText, TimeZone
from monitor.config.section import At, Section
from monitor.config.toml import list_words, suggest_nearest

OWN_COLUMNS = (
    "sample_id",
    "observed_at",
    "labelled_at",
    "score",
    "outcome",
    "raw_score",
    "logits",
    "version",
)  # never slices
CANONICAL_COLUMNS = (*OWN_COLUMNS, "calibrator", "group_id", "predicted_class", "label", "n", "positives")

# What people and programs write where there is no label yet, in whatever case; an empty value is missing anyhow.
MISSING_LABELS = (
    "nan", "None", "NULL", "NA", "N/A", "<NA>", "\\N", "-", "NaT", "#N/A", "#NA", "n.a.", "<null>", "(null)", "<None>",
)  # fmt: skip


class Outcomes(Section):
    """Words for the two outcomes, compared without case."""

    true: tuple[str, ...] = Field(default=(), description="words for: the event happened")
    false: tuple[str, ...] = Field(default=(), description="words for: it did not")

    def _check_words(self) -> Iterator[str]:
        both = {word.strip().casefold() for word in self.true} & {word.strip().casefold() for word in self.false}
        if both:
            yield f"outcomes has {', '.join(map(repr, sorted(both)))} as true and as false"


class SourceSettings(Section):
    """Where samples come from, and how its columns are called there."""

    model_config = ConfigDict(title="SourceSettings")  # as the published schema calls it

    name: Name = Field("samples", description="names the source in metrics, logs and messages")
    kind: Literal["files", "http"] = Field(
        "files", description="files: a glob of Parquet, CSV or JSON Lines; http: what is pushed to the API"
    )
    holds: Holds = Field(
        "samples",
        description="samples: predictions, labelled or not yet; labels: labels only, joined on sample_id; images, detections, "
        "truth: of a detector, which calwatch matches",
    )
    path: PathText = Field(
        "",
        description="files: glob, relative to the configuration file, or an fsspec URL; required there",
    )
    format: Literal["auto", "parquet", "csv", "json", "coco", "yolo", "voc"] = Field(
        "auto", description="auto goes by each file's name; coco, yolo, voc: of boxes"
    )
    columns: dict[str, str] = Field(
        default_factory=dict, description="canonical name = own name, for columns that are called otherwise"
    )
    time_zone: TimeZone = Field("UTC", description="of times that carry no offset")
    time_unit: Literal["s", "ms", "us", "ns"] | None = Field(
        None, description="of times that are plain numbers since 1970"
    )
    time_precision: Duration | None = Field(
        None, description="observed_at is cut to it, such as 1s, where exports differ in fractions of seconds"
    )
    score_unit: Literal["probability", "percent"] = Field("probability", description="percent: scores are 0 to 100")
    outcomes: Outcomes | None = Field(
        None,
        description='own words for the two outcomes: { true = ["yes"], false = ["no"] }; 0, 1, true and false need none',
    )
    missing_labels: tuple[str, ...] | None = Field(
        None,
        description=f"words that mean not labelled yet; none: {', '.join(f'`{word}`' for word in MISSING_LABELS)} and "
        "empty, in any case",
    )
    logits_are: Literal["logits", "probabilities"] | None = Field(
        None, description="what the column logits holds; none: calwatch looks, once a source"
    )
    withdrawn: Literal["keep", "remove"] = Field(
        "keep",
        description="rows and labels that are gone from a file that was written anew: kept and told, or taken out",
    )

    def _check_path(self) -> Iterator[str]:
        if self.kind == "files" and not self.path:
            yield 'needs "path"'

    def _check_kind(self) -> Iterator[str]:
        for key in ("path", "format"):
            if self.kind == "http" and key in self.model_fields_set:
                yield f'kind "http" takes no "{key}": each push says what it is'

    def _check_holds(self) -> Iterator[str]:
        held = FORMATS_OF_BOXES.get(self.format)
        if held is not None and self.holds not in held:
            yield f'format "{self.format}" needs holds {list_words(held)} (holds is "{self.holds}")'
        if self.is_of_boxes:
            for key in ("outcomes", "missing_labels", "logits_are"):
                if key in self.model_fields_set:
                    yield f'holds "{self.holds}" takes no "{key}": boxes are matched with objects, not labelled by words'

    @property
    def is_of_boxes(self) -> bool:
        """Whether it holds images, detections or truth."""
        return self.holds in BOX_HOLDS

    def known_columns(self, slices: Sequence[str]) -> tuple[str, ...]:
        """The columns that its files may have by our names, those of the model's ``slices`` among them."""
        if not self.is_of_boxes:
            return (*CANONICAL_COLUMNS, *slices)
        return tuple(dict.fromkeys((*COLUMNS_OF[self.holds], *self.slice_columns(slices, own=True))))

    def slice_columns(self, slices: Sequence[str], *, own: bool = False) -> tuple[str, ...]:
        """Those of the model's ``slices`` that its files must have a column for, or with ``own`` may have one of their own. Of
        images and detections either may have it: they must where ``columns`` says so."""
        if self.holds == "samples":
            return tuple(slices)
        held = [each for each in slices if each not in BOX_DIMENSIONS and self.holds in ("images", "detections")]
        return tuple(held if own else [each for each in held if each in self.columns])

    @classmethod
    def foreign_keys(cls, table: Mapping[str, object]) -> frozenset[str]:
        """Return the keys that pushes do without."""
        return frozenset(("path", "format") if table.get("kind") == "http" else ())

    def column_mistakes(self, known: Iterable[str], number: int) -> Iterator[str]:
        """Yield the names on the left of ``columns`` that are none of ``known``. ``number``: the source's in its model."""
        known = tuple(known)
        for column, own in self.columns.items():
            if column in known:
                continue
            same = self.is_of_boxes and OFTEN_MEANT.get(column)
            near = f', did you mean "{same}"?' if same in known else suggest_nearest(column, known)
            told = (
                f'columns has "{column}" = "{own}" the wrong way round: calwatch\'s name comes first, {own} = "{column}"'
                if own in known
                else f'columns maps unknown "{column}"{near}; the names on the left are calwatch\'s '
                "or a slice dimension"
            )
            yield At(told, "source", number)
