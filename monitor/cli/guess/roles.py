"""Which of a table's own columns is which of calwatch's: by the names people give them, held against the values."""

from collections.abc import Callable, Container
from dataclasses import dataclass, field

from monitor.cli.guess.columns import (
    Column,
    Table,
    auroc,
    list_elements,
    pair_values,
    sign_of,
    split_words,
    strip_marks,
)
from monitor.cli.guess.words import CORNERS, NAMES, ROLES
from monitor.sources.column_hints import SOFTMAX_DOCS, USUAL

_FLAGS = ({"0", "1"}, {"true", "false"})
_UNIQUE = 0.99  # of the rows of a file have an id that no other row of it has


@dataclass(slots=True)
class Roles:
    """Canonical name → own column, each with the reason; and what lies about: boxes, overlaps, scores of several classes."""

    columns: dict[str, Column] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    boxes: list[Column] = field(default_factory=list)
    overlap: Column | None = None
    probabilities: list[Column] = field(default_factory=list)  # one a class, where no single column is the score
    other_scores: list[Column] = field(default_factory=list)
    score_is_one_of_several: bool = False  # whose names say the same: the first was taken
    truths: list[Column] = field(default_factory=list)  # several that could be the label
    labels: dict[str, Column] = field(default_factory=dict)  # of a source of labels, where there is one
    repeated_id: Column | None = None  # named as the id, and the same in several rows
    repeated_in_files: Column | None = None  # an id that begins anew in each file

    def assign_role(self, role: str, column: Column, reason: str) -> None:
        self.columns[role] = column
        self.reasons[role] = reason

    def is_free(self, column: Column) -> bool:
        """Whether nothing has been made of a column yet."""
        held = [*self.columns.values(), *self.boxes, *self.probabilities, *self.other_scores, self.overlap]
        return all(column is not other for other in held)


def find_roles(table: Table) -> Roles:
    """Return what the columns of a table most likely are. Slices are asked for apart."""
    roles = Roles()
    _find_boxes(table, roles)
    _find_times(table, roles)
    _find_truth(table, roles)
    _find_counts(table, roles)
    _find_scores(table, roles)
    _find_truth_by_values(table, roles)
    _find_ids(table, roles)
    _find_version(table, roles)
    return roles


def name_rank(name: str, role: str) -> int | None:
    """How well a name says a role: 0 is calwatch's own, then what other tools call it, 1000 a word of it, None not at all."""
    last = name.rpartition(".")[2]
    usual = [strip_marks(role), *USUAL.get(role, ())]
    for spelled in (strip_marks(name), strip_marks(last)):
        if spelled in usual:
            return 0 if name == role else 1 + usual.index(spelled)
    return 1000 if ROLES.get(role, set()) & set(split_words(name)) else None


def _candidates(table: Table, roles: Roles, role: str, fits: Callable[[Column], bool]) -> list[Column]:
    """Free columns whose name says the role and whose values fit, the best name first."""
    ranked = [
        (name_rank(column.name, role), column) for column in table.columns if roles.is_free(column) and fits(column)
    ]
    return [column for _, column in sorted(((r, c) for r, c in ranked if r is not None), key=lambda pair: pair[0])]


def _reason(column: Column, role: str) -> str:
    return "its name" if name_rank(column.name, role) is not None else "its values"


def _has(column: Column, some: Container[str]) -> bool:
    return any(word in some for word in split_words(column.name)) or strip_marks(column.name) in some


def _find_boxes(table: Table, roles: Roles) -> None:
    by_corner = {_corner(column.name): column for column in table.columns}
    for corners in CORNERS:
        if corners <= by_corner.keys() and all(by_corner[corner].is_numeric for corner in corners):
            roles.boxes = [by_corner[corner] for corner in sorted(corners)]
            break
    roles.boxes += [column for column in table.columns if strip_marks(column.name.rpartition(".")[2]) in NAMES["box"]]
    roles.overlap = next(
        (
            column
            for column in table.columns
            if _has(column, {"iou"}) and column.is_numeric and column.share(0, 1) > 0.9
        ),
        None,
    )


def _corner(name: str) -> str:
    spelled = strip_marks(name.rpartition(".")[2])
    for prefix in ("boundingbox", "bbox", "box", "pred", "det"):
        spelled = spelled.removeprefix(prefix)
    return spelled


def _find_times(table: Table, roles: Roles) -> None:
    def is_time(column: Column) -> bool:
        return column.time_shape is not None

    def is_of_labels(column: Column) -> bool:
        rank = name_rank(column.name, "labelled_at")
        return is_time(column) and (rank is not None or _has(column, NAMES["of_labels"]))

    later = [column for column in table.columns if is_of_labels(column)]
    named = [column for column in _candidates(table, roles, "observed_at", is_time) if column not in later]
    alone = [column for column in table.columns if column.time_shape in ("iso", "other") and column not in later]
    if named:
        beside = [f'"{other.name}"' for other in named[1:]]
        also = f"; {', '.join(beside)} hold{'s' * (len(beside) == 1)} times too" if beside else ""
        roles.assign_role("observed_at", named[0], f"{_reason(named[0], 'observed_at')}{also}")
    elif alone or later:
        only = (alone or later)[0]
        roles.assign_role(
            "observed_at", only, "the only times there are" if len(alone or later) == 1 else "the first times there are"
        )
    for column in later[:1]:
        if roles.is_free(column):
            roles.assign_role("labelled_at", column, _reason(column, "labelled_at"))


def _is_class_like(column: Column) -> bool:
    """Few values that come again and again, and no measures."""
    few = 1 <= len(column.counts) <= max(2, column.filled // 3)
    measures = column.is_numeric and not column.is_whole
    return column.kind in ("text", "number", "flag") and few and not measures and column.time_shape is None


def _find_truth(table: Table, roles: Roles) -> None:
    """Outcome, label and predicted class by name."""

    def is_outcome(column: Column) -> bool:
        return _is_class_like(column) and len(column.counts) <= 2 and not _has(column, ROLES["score"] | {"id"})

    def is_label(column: Column) -> bool:
        return (_is_class_like(column) or not column.filled) and not _has(
            column, NAMES["of_prediction"] | ROLES["score"]
        )

    def is_predicted(column: Column) -> bool:
        return _is_class_like(column) and not _has(column, NAMES["of_truth"] | ROLES["score"])

    for role, fits in (("outcome", is_outcome), ("label", is_label), ("predicted_class", is_predicted)):
        found = _candidates(table, roles, role, fits)
        if role == "label" and "outcome" in roles.columns:  # label_source and the like are no labels beside an outcome
            found = [column for column in found if (name_rank(column.name, role) or 0) < 1000]
        if found:
            roles.assign_role(role, found[0], _reason(found[0], role))


def _find_truth_by_values(table: Table, roles: Roles) -> None:
    """Where no name says it: what shares its values with the predictions, or the only column of two values."""
    if {"outcome", "label"} & roles.columns.keys():
        return
    free = [
        column
        for column in table.columns
        if roles.is_free(column) and _is_class_like(column) and len(column.counts) > 1
    ]
    predicted = roles.columns.get("predicted_class")
    if predicted is not None:
        alike = [
            column for column in free if len(set(predicted.values) & set(column.values)) >= 0.8 * len(column.counts)
        ]
        if len(alike) == 1:
            roles.assign_role("label", alike[0], f'its values are those of "{predicted.name}"')
        return
    scores = roles.columns.get("score") or next(iter(roles.probabilities), None)
    two = [column for column in free if len(column.counts) == 2 and scores is not None and _follows(column, scores)]
    named = [column for column in two if any(map(sign_of, column.values))]
    if len(named) == 1:
        roles.assign_role("label", named[0], "its two values go with the scores")
    elif named:
        roles.truths = named
    else:
        flags = [column for column in two if {value.casefold() for value in column.values} in _FLAGS]
        roles.truths = flags if len(flags) > 1 else []
        for column in flags if len(flags) == 1 else []:
            roles.assign_role("outcome", column, "its two values go with the scores")


def _follows(column: Column, scores: Column) -> bool:
    """Whether scores tell the two values of a column apart: a column of two values may as well say day and night."""
    one = column.values[0]
    pairs = [
        (p, v == one) for p, v in zip(scores.numbers, column.cells, strict=True) if p is not None and v is not None
    ]
    above = auroc([p for p, _ in pairs], [is_one for _, is_one in pairs])
    return above is not None and abs(above - 0.5) > 0.1


def _find_counts(table: Table, roles: Roles) -> None:
    found = {}
    for role in ("n", "positives"):
        found[role] = _candidates(table, roles, role, lambda column: column.is_whole and column.share(0, 1e12) == 1)
    if found["n"] and found["positives"]:
        total, part = found["n"][0], found["positives"][0]
        if all(float(b) <= float(a) for a, b in pair_values(total, part)):
            roles.assign_role("n", total, _reason(total, "n"))
            roles.assign_role("positives", part, f'never above "{total.name}"')


def _find_scores(table: Table, roles: Roles) -> None:
    def is_probability(column: Column) -> bool:
        is_measure = column.is_numeric and column.time_shape is None and column.share(-1e-5, 100) > 0.95
        return (is_measure or column.has_decimal_commas) and not _has(column, NAMES["no_score"])

    raw = [
        column
        for column in table.columns
        if roles.is_free(column) and is_probability(column) and _has(column, NAMES["raw"])
    ]
    named = [column for column in _candidates(table, roles, "score", is_probability) if column not in raw]
    if raw and (named or name_rank(raw[0].name, "raw_score") == 0):
        roles.assign_role("raw_score", raw[0], "its name")
    elif raw:
        named = raw
    clear = [column for column in named if (name_rank(column.name, "score") or 0) < 1000]
    if len(named) > 1 and _sum_to_one(named):
        roles.probabilities = named
    elif clear or len(named) == 1:
        # beside a softmax the one that is not of it
        alone = (one for one in clear if _is_softmax([column for column in named if column is not one]))
        chosen = next(alone, (clear or named)[0])
        roles.other_scores = [column for column in named if column is not chosen]
        others = ", ".join(f'"{column.name}"' for column in roles.other_scores)
        beside = others and f"; {others} could be one too"
        if _is_softmax(roles.other_scores):
            first, last = roles.other_scores[0].name, roles.other_scores[-1].name
            beside = (
                f'; "{first}" to "{last}", {len(roles.other_scores)} columns that sum to 1, are a softmax, which can be '
                f"taken as logits: {SOFTMAX_DOCS}"
            )
        roles.assign_role("score", chosen, f"{_reason(chosen, 'score')}{beside}")
    elif named:
        roles.assign_role("score", named[0], "its name, the first of several")
        roles.other_scores, roles.score_is_one_of_several = named[1:], True
    else:
        between = [
            column for column in table.columns
            if roles.is_free(column) and column.is_numeric and not column.is_whole and column.share(-1e-5, 1 + 1e-5) == 1
        ]  # fmt: skip
        if len(between) == 1:
            roles.assign_role("score", between[0], "the only column of values between 0 and 1")
            return
        lists = [list_elements(column) for column in table.columns if roles.is_free(column) and column.kind == "list"]
        pairs = [elements for elements in lists if len(elements) == 2 and _sum_to_one(elements)]
        roles.probabilities = pairs[0] if len(pairs) == 1 else []


def _is_softmax(columns: list[Column]) -> bool:
    return len(columns) > 2 and _sum_to_one(columns)


def _sum_to_one(columns: list[Column]) -> bool:
    rows = [row for row in zip(*(column.numbers for column in columns), strict=True) if None not in row]
    near = sum(any(abs(sum(filter(None, row)) - whole) < 0.02 * whole for whole in (1, 100)) for row in rows)
    return bool(rows) and near >= 0.95 * len(rows)


def _find_ids(table: Table, roles: Roles) -> None:
    """The id of a row, and what several rows belong to."""

    def is_id(column: Column) -> bool:
        whole = column.kind in ("text", "number") and (column.is_whole or not column.is_numeric)
        return whole and column.filled >= 0.9 * table.rows and len(column.counts) > 1

    named = _candidates(table, roles, "sample_id", is_id)
    ends = [
        column for column in table.columns
        if roles.is_free(column) and is_id(column) and column not in named and NAMES["id"] & set(split_words(column.name)[-1:])
    ]  # fmt: skip
    rest = [
        column for column in table.columns
        if roles.is_free(column) and is_id(column) and column not in (*named, *ends) and column.time_shape is None
    ]  # fmt: skip
    rest.sort(key=lambda column: column.is_numeric)  # texts first
    when = roles.columns.get("observed_at")
    alone = [column for column in (*named, *ends) if _distinct(table, column, None)]
    alone += [
        column for column in named if _distinct(table, column, when)
    ]  # ids that begin anew each day, with their times
    alone += [column for column in rest if _distinct(table, column, None)]
    chosen = alone[0] if alone else None
    if chosen is not None:
        roles.assign_role(
            "sample_id", chosen, _reason(chosen, "sample_id") if chosen in named else "no value comes twice"
        )
        if len(set(table.files)) > 1 and not _distinct(table, chosen, when, across=True):
            roles.repeated_in_files = chosen
    elif named:
        roles.repeated_id = named[0]
    if roles.repeated_id is None:
        together = [column for column in named if is_image_like(column) or not _distinct(table, column, when)]
        _find_group(table, roles, together)


def _find_group(table: Table, roles: Roles, together: list[Column]) -> None:
    """What comes in several rows, and whose name says that they belong together; or is one of ``together``."""

    def repeats(column: Column) -> bool:
        return (
            roles.is_free(column) and column.kind in ("text", "number") and 1 < len(column.counts) < 0.8 * column.filled
        )

    for word in NAMES["group"]:
        for column in table.columns:
            found = set(split_words(column.name))
            is_named = strip_marks(column.name) in (word, f"{word}id") or (word in found and bool(NAMES["id"] & found))
            if repeats(column) and (is_named or column in together) and len(column.counts) > 20:
                roles.assign_role("group_id", column, f"{len(column.counts):,} values in {column.filled:,} rows")
                return


def _distinct(table: Table, column: Column, when: Column | None, *, across: bool = False) -> bool:
    """Whether a value (with its time) names one row, of a file or ``across`` all of them."""
    moments = when.cells if when is not None and when is not column else (None,) * table.rows
    files = (0,) * table.rows if across else table.files
    held = [key for key in zip(files, column.cells, moments, strict=True) if key[1] is not None]
    return len(set(held)) >= _UNIQUE * len(held)


def _find_version(table: Table, roles: Roles) -> None:
    for column in table.columns:
        if roles.is_free(column) and strip_marks(column.name.rpartition(".")[2]) in NAMES["version"] and column.filled:
            roles.assign_role("version", column, "its name")
            return


def is_image_like(column: Column) -> bool:
    """Whether a name speaks of an image, of which there may be several rows."""
    return bool(NAMES["image"] & set(split_words(column.name)))
