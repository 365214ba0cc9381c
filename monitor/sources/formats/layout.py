"""What one file holds, whatever its format, and what of it calwatch cannot do without."""

import re
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field

from monitor.config.boxes import BOX_HOLDS
from monitor.config.settings import Model
from monitor.model import Task
from monitor.sources.formats import long_lines
from monitor.sources.formats.box_columns import missing_box_columns
from monitor.sources.formats.long_lines import LongLine
from monitor.store.connection import quote_text
from monitor.store.sql import statement

TIMES = ("observed_at", "labelled_at")


@dataclass(frozen=True, slots=True)
class Layout:
    """What one file holds: calwatch's columns found in it with their SQL types, and how to read them."""

    format: str
    types: Mapping[str, str]  # canonical or slice name → SQL type, of those present
    expressions: Mapping[str, str]  # the same names → SQL expression over the file's own columns
    found: tuple[str, ...]  # the file's own column names, for messages
    rows: int  # exact for Parquet, estimated from the size otherwise
    dialect: str = ""  # CSV: options of read_csv
    skipped: int = 0  # CSV: lines up to and with the header
    absent: frozenset[str] = frozenset()  # JSON: of ``types``, those that no line has
    unused: frozenset[str] = frozenset()  # JSON of few lines: likewise, also of those that a source can do without
    times: tuple[str, ...] = ()  # own columns that seem to hold times, as far as they were looked at
    numbered: Mapping[str, str] = field(default_factory=dict)  # time column → a number found in it
    # JSON: column of ours that holds objects or lists → a path in them
    nested: Mapping[str, str] = field(default_factory=dict)
    # own columns that hold lists, as far as seen → how long one is
    lists: Mapping[str, int] = field(default_factory=dict)
    hint: str = ""  # what to do where columns are missing, beyond mapping them
    long: tuple[LongLine, ...] = ()  # lines that are too long to be read
    source: str = ""  # boxes: SQL giving the number of each row, unreadable, and what the expressions speak of
    text: str = ""  # boxes of small files: the rows themselves, as JSON
    keeps: Hashable = None  # what the source reads, and is gone without
    categories: Mapping[str, str] = field(default_factory=dict)  # COCO: number of a class → its name

    @property
    def signature(self) -> Hashable:
        """Files of equal signature are read by one scan; CSV one by one, for their row numbers, and COCO."""
        if self.format == "csv" or self.source:
            return object()
        return self.format, tuple(self.types.items()), tuple(self.expressions.items())

    @property
    def run(self) -> Hashable:
        """Large files that stand beside each other go together where this is equal: Parquet of one layout."""
        return self.signature if self.format == "parquet" else object()

    @property
    def tells_unreadable(self) -> bool:
        """Whether its rows have the column _unreadable."""
        return self.format == "json" or self.source != "" or self.text != ""

    @property
    def present(self) -> frozenset[str]:
        """The canonical and slice names that the file has."""
        return frozenset(self.types) - self.absent


@dataclass(frozen=True, slots=True)
class Needs:
    """What a model asks of its files' columns: whether raw_score may stand in for score, whether a label says by itself
    what came true (binary), with no predicted class to compare it with, and which columns are slices; and the names of its
    classes, for files that have their numbers."""

    raw_scores: bool = False
    binary: bool = False
    slices: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    timeless_boxes: bool = False  # detections need no time: images or truth may have it

    @classmethod
    def of(cls, model: Model) -> "Needs":
        timeless = any(
            source.holds == "images"
            or (source.holds == "truth" and (source.format == "coco" or "observed_at" in source.columns))
            for source in model.source
        )
        applies = model.recalibration.apply == "monitor"
        return cls(applies, model.task is Task.BINARY, model.slices, model.classes, timeless)


def missing_columns(has: Collection[str], holds: str, needs: Needs) -> dict[str, str]:
    """The required columns that a file does not have, each with a word on what else would do, or ""."""
    if holds in BOX_HOLDS:
        return missing_box_columns(has, holds, times_elsewhere=needs.timeless_boxes)
    missing = {} if "sample_id" in has else {"sample_id": ""}
    if holds == "labels":
        if "outcome" not in has and "label" not in has:
            missing["outcome"] = "or label"
        return missing
    if "observed_at" not in has:
        missing["observed_at"] = ""
    if "score" not in has and not (needs.raw_scores and "raw_score" in has):
        missing["score"] = ""
    if not needs.binary and "label" in has and "outcome" not in has and "predicted_class" not in has:
        missing["predicted_class"] = "or outcome, beside label"
    if "n" in has and "positives" not in has:
        missing["positives"] = "beside n"
    return missing


def read_path(path: str) -> str:
    """SQL text of a path to read: DuckDB takes ``data[1].csv`` for a pattern, and would read ``data1.csv`` in its place."""
    return quote_text(re.sub(r"[*?\[]", r"[\g<0>]", path))


def lines_of(paths: Sequence[str], longest: int | None = None, options: str = "") -> str:
    """Return the scan of each line as one text beside its _path; those that are not UTF-8, or hold the delimiter, are rejected
    and told apart. ``longest``: bytes of a line that are read, None: as many as of JSON; ``options``: further ones of read_csv,
    each with a comma in front."""
    listed = ", ".join(map(read_path, paths))
    # not strict: else lines that end now in LF, now in CRLF cannot be read
    return (
        f"read_csv([{listed}], filename = '_path', columns = {{'line': 'VARCHAR'}}, delim = chr(1), quote = '', "
        f"escape = '', header = false, auto_detect = false, {long_lines.line_limits(longest or long_lines.JSON_LINE)}, "
        f"store_rejects = true, rejects_limit = 0, hive_partitioning = false, strict_mode = false{options})"
    )


def rejects_of(first: int | str, long: Sequence[tuple[str, LongLine]] = ()) -> str:
    """The SELECT of lines that made no row; ``first`` is the line number of the first row, or SQL of it by ``file_path``;
    ``long``: lines that are too long, each with its file, of which DuckDB may have told some."""
    told = statement("csv_rejects")
    if not long:
        return (
            f"SELECT file_path AS _file, line - {first} AS _row, text AS _unreadable, reason AS _reason FROM ({told})"
        )
    values = ", ".join(
        f"({quote_text(path)}, {each.number}, {each.start}, {quote_text(each.description)})" for path, each in long
    )
    return statement("csv_rejects_listed", told=told, values=values, first=str(first))


_TIME = re.compile(r"\s*(\d{4}-\d\d-\d\d[T ]\d\d?:\d\d.*|\d{1,2}[./]\d{1,2}[./]\d{4},? \d\d?:\d\d.*)", re.DOTALL)
_NUMBER = re.compile(r"\d+(\.\d*)?([eE]\+?\d\d?)?")
_UNITS = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
_EARLIEST, _LATEST = 0.9e9, 4.2e9  # 1998 to 2103: no number means a time there in two units


def are_times(values: Sequence[str]) -> bool:
    """Whether all values are times of day with their date, and there are any."""
    return bool(values) and all(_TIME.fullmatch(value) for value in values)


def are_numbers(values: Sequence[str]) -> bool:
    """Whether all values are numbers that count since 1970 in one unit, and there are any."""
    return len({time_unit(value) for value in values}) == 1 and time_unit(values[0]) != ""


def time_unit(text: str) -> str:
    """The unit in which a number is a time of ours, counted since 1970: s, ms, us or ns; "" where it is none such."""
    text = text.strip()
    if not _NUMBER.fullmatch(text):
        return ""
    number = float(text)
    return next((unit for unit, scale in _UNITS.items() if _EARLIEST <= number / scale < _LATEST), "")
