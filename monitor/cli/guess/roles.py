"""Which of a table's own columns is which of calwatch's: by the names people give them, held against the values."""

from collections.abc import Callable
from dataclasses import dataclass, field

from monitor.cli.guess.columns import Column, Table, auroc, list_elements, pair_values, sign_of, split_words
from monitor.cli.guess.words import CORNERS, NAMES, ROLES
from monitor.sources.column_hints import SOFTMAX_DOCS, USUAL, strip_marks

_FLAGS = ({"0", "1"}, {"true", "false"})
_UNIQUE = 0.99  # of the rows of a file have an id that no other row of it has


@dataclass(slots=True)
class Roles:
    """Canonical name → own column, each with the reason; and what lies about: boxes, overlaps, scores of several classes."""

    table: Table
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

    def list_free(self) -> list[Column]:
        """The columns of which nothing has been made yet."""
        held = [*self.columns.values(), *self.boxes, *self.probabilities, *self.other_scores, self.overlap]
        return [column for column in self.table.columns if all(column is not other for other in held)]

    def list_candidates(self, role: str, fits: Callable[[Column], bool]) -> list[Column]:
        """Free columns whose name says the role and whose values fit, the best name first."""
        ranked = [(name_rank(column, role), column) for column in self.list_free() if fits(column)]
        known = [(rank, column) for rank, column in ranked if rank is not None]
        return [column for _, column in sorted(known, key=lambda pair: pair[0])]


def find_roles(table: Table) -> Roles:
    """Return what the columns of a table most likely are. Slices are asked for apart."""
    roles = Roles(table)
    _find_boxes(roles)
    _find_times(roles)
    _find_truth(roles)
    _find_counts(roles)
    _find_scores(roles)
    _find_truth_by_values(roles)
    _find_ids(roles)
    for column in [each for each in roles.list_free() if each.last in NAMES["version"] and each.filled][:1]:
        roles.assign_role("version", column, "its name")
    return roles


def name_rank(column: Column, role: str) -> int | None:
    """How well a name says a role: 0 is calwatch's own, then what other tools call it, 1000 a word of it, None not at all."""
    usual = [strip_marks(role), *USUAL.get(role, ())]
    for spelled in (strip_marks(column.name), column.last):
        if spelled in usual:
            return 0 if column.name == role else 1 + usual.index(spelled)
    return 1000 if ROLES.get(role, set()) & set(split_words(column.name)) else None


def _reason(column: Column, role: str) -> str:
    return "its name" if name_rank(column, role) is not None else "its values"


def _find_boxes(roles: Roles) -> None:
    columns = roles.table.columns
    by_corner = {_corner(column): column for column in columns}
    for corners in CORNERS:
        if corners <= by_corner.keys() and all(by_corner[corner].is_numeric for corner in corners):
            roles.boxes = [by_corner[corner] for corner in sorted(corners)]
            break
    roles.boxes += [column for column in columns if column.last in NAMES["box"]]
    overlaps = (each for each in columns if "iou" in each.words and each.is_numeric and each.share(0, 1) > 0.9)
    roles.overlap = next(overlaps, None)


def _corner(column: Column) -> str:
    spelled = column.last
    for prefix in ("boundingbox", "bbox", "box", "pred", "det"):
        spelled = spelled.removeprefix(prefix)
    return spelled


def _find_times(roles: Roles) -> None:
    times = [column for column in roles.table.columns if column.time_shape is not None]
    later = [
        column for column in times
        if name_rank(column, "labelled_at") is not None or column.words & NAMES["of_labels"]
    ]  # fmt: skip
    named = roles.list_candidates("observed_at", lambda column: column in times and column not in later)
    alone = [column for column in times if column.time_shape != "number" and column not in later] or later
    if named:
        beside = [f'"{other.name}"' for other in named[1:]]
        also = f"; {', '.join(beside)} hold{'s' * (len(beside) == 1)} times too" if beside else ""
        roles.assign_role("observed_at", named[0], f"{_reason(named[0], 'observed_at')}{also}")
    elif alone:
        roles.assign_role("observed_at", alone[0], f"the {'only' if len(alone) == 1 else 'first'} times there are")
    for column in [each for each in roles.list_free() if each in later[:1]]:
        roles.assign_role("labelled_at", column, _reason(column, "labelled_at"))


def _is_class_like(column: Column) -> bool:
    """Few values that come again and again, and no measures."""
    few = 1 <= len(column.counts) <= max(2, column.filled // 3)
    measures = column.is_numeric and not column.is_whole
    return column.kind in ("text", "number", "flag") and few and not measures and column.time_shape is None


def _find_truth(roles: Roles) -> None:
    """Outcome, label and predicted class by name."""

    def is_outcome(column: Column) -> bool:
        return _is_class_like(column) and len(column.counts) <= 2 and not column.words & (ROLES["score"] | {"id"})

    def is_label(column: Column) -> bool:
        of_another = column.words & (NAMES["of_prediction"] | ROLES["score"])
        return (_is_class_like(column) or not column.filled) and not of_another

    def is_predicted(column: Column) -> bool:
        return _is_class_like(column) and not column.words & (NAMES["of_truth"] | ROLES["score"])

    for role, fits in (("outcome", is_outcome), ("label", is_label), ("predicted_class", is_predicted)):
        found = roles.list_candidates(role, fits)
        if role == "label" and "outcome" in roles.columns:  # label_source and the like are no labels beside an outcome
            found = [column for column in found if (name_rank(column, role) or 0) < 1000]
        if found:
            roles.assign_role(role, found[0], _reason(found[0], role))


def _find_truth_by_values(roles: Roles) -> None:
    """Where no name says it: what shares its values with the predictions, or the only column of two values."""
    if {"outcome", "label"} & roles.columns.keys():
        return
    free = [column for column in roles.list_free() if _is_class_like(column) and len(column.counts) > 1]
    predicted = roles.columns.get("predicted_class")
    if predicted is not None:
        classes = set(predicted.values)
        alike = [column for column in free if len(classes & set(column.values)) >= 0.8 * len(column.counts)]
        if len(alike) == 1:
            roles.assign_role("label", alike[0], f'its values are those of "{predicted.name}"')
        return
    scores = roles.columns.get("score") or next(iter(roles.probabilities), None)
    two = [column for column in free if len(column.counts) == 2 and _follows(column, scores)]
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


def _follows(column: Column, scores: Column | None) -> bool:
    """Whether scores tell the two values of a column apart: a column of two values may as well say day and night."""
    above = auroc(scores, column, column.values[0])
    return above is not None and abs(above - 0.5) > 0.1


def _find_counts(roles: Roles) -> None:
    totals, parts = (
        roles.list_candidates(role, lambda column: column.is_whole and column.share(0, 1e12) == 1)
        for role in ("n", "positives")
    )
    if totals and parts and all(float(part) <= float(total) for total, part in pair_values(totals[0], parts[0])):
        roles.assign_role("n", totals[0], _reason(totals[0], "n"))
        roles.assign_role("positives", parts[0], f'never above "{totals[0].name}"')


def _find_scores(roles: Roles) -> None:
    def is_probability(column: Column) -> bool:
        is_measure = column.is_numeric and column.time_shape is None and column.share(-1e-5, 100) > 0.95
        return (is_measure or column.has_decimal_commas) and not column.words & NAMES["no_score"]

    raw = [column for column in roles.list_free() if is_probability(column) and column.words & NAMES["raw"]]
    named = [column for column in roles.list_candidates("score", is_probability) if column not in raw]
    if raw and (named or name_rank(raw[0], "raw_score") == 0):
        roles.assign_role("raw_score", raw[0], "its name")
    elif raw:
        named = raw
    clear = [column for column in named if (name_rank(column, "score") or 0) < 1000]
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
        fractions = [column for column in roles.list_free() if column.is_numeric and not column.is_whole]
        between = [column for column in fractions if column.share(-1e-5, 1 + 1e-5) == 1]
        if len(between) == 1:
            roles.assign_role("score", between[0], "the only column of values between 0 and 1")
            return
        lists = [list_elements(column) for column in roles.list_free() if column.kind == "list"]
        pairs = [elements for elements in lists if len(elements) == 2 and _sum_to_one(elements)]
        roles.probabilities = pairs[0] if len(pairs) == 1 else []


def _is_softmax(columns: list[Column]) -> bool:
    return len(columns) > 2 and _sum_to_one(columns)


def _sum_to_one(columns: list[Column]) -> bool:
    rows = [row for row in zip(*(column.numbers for column in columns), strict=True) if None not in row]
    near = sum(any(abs(sum(filter(None, row)) - whole) < 0.02 * whole for whole in (1, 100)) for row in rows)
    return bool(rows) and near >= 0.95 * len(rows)


def _find_ids(roles: Roles) -> None:
    """The id of a row, and what several rows belong to."""
    table = roles.table

    def is_id(column: Column) -> bool:
        whole = column.kind in ("text", "number") and (column.is_whole or not column.is_numeric)
        return whole and column.filled >= 0.9 * table.rows and len(column.counts) > 1

    named = roles.list_candidates("sample_id", is_id)
    others = [column for column in roles.list_free() if is_id(column) and column not in named]
    ends = [column for column in others if NAMES["id"] & set(split_words(column.name)[-1:])]
    rest = [column for column in others if column not in ends and column.time_shape is None]
    rest.sort(key=lambda column: column.is_numeric)  # texts first
    when = roles.columns.get("observed_at")
    # ids that begin anew each day come with their times
    tried = [
        *((each, None) for each in (*named, *ends)),
        *((each, when) for each in named),
        *((each, None) for each in rest),
    ]
    chosen = next((column for column, moment in tried if _distinct(table, column, moment)), None)
    if chosen is not None:
        reason = _reason(chosen, "sample_id") if chosen in named else "no value comes twice"
        roles.assign_role("sample_id", chosen, reason)
        if len(set(table.files)) > 1 and not _distinct(table, chosen, when, across=True):
            roles.repeated_in_files = chosen
    elif named:
        roles.repeated_id = named[0]
    if roles.repeated_id is None:
        _find_group(roles, [each for each in named if is_image_like(each) or not _distinct(table, each, when)])


def _find_group(roles: Roles, together: list[Column]) -> None:
    """What comes in several rows, and whose name says that they belong together; or is one of ``together``."""
    repeated = [
        column for column in roles.list_free()
        if column.kind in ("text", "number") and 20 < len(column.counts) < 0.8 * column.filled
    ]  # fmt: skip
    for word in NAMES["group"]:
        for column in repeated:
            found = set(split_words(column.name))
            is_named = strip_marks(column.name) in (word, f"{word}id") or (word in found and NAMES["id"] & found)
            if is_named or column in together:
                roles.assign_role("group_id", column, f"{len(column.counts):,} values in {column.filled:,} rows")
                return


def _distinct(table: Table, column: Column, when: Column | None, *, across: bool = False) -> bool:
    """Whether a value (with its time) names one row, of a file or ``across`` all of them."""
    moments = when.cells if when is not None and when is not column else (None,) * table.rows
    files = (0,) * table.rows if across else table.files
    held = [key for key in zip(files, column.cells, moments, strict=True) if key[1] is not None]
    return len(set(held)) >= _UNIQUE * len(held)


def is_image_like(column: Column) -> bool:
    """Whether a name speaks of an image, of which there may be several rows."""
    return bool(NAMES["image"] & set(split_words(column.name)))
