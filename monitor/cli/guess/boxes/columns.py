"""Which columns of a table say an image, a class, a score and a box, by their names and by what is in them."""

from dataclasses import dataclass, field
from typing import Literal

from monitor.cli.guess.columns import MOSTLY, Column, Table
from monitor.cli.guess.found import Guess
from monitor.cli.guess.roles import Roles, find_roles
from monitor.cli.guess.words import BOXES, LAYOUTS
from monitor.config.boxes import BOX_COLUMNS, COLUMNS_OF, BoxLayout

BoxHolds = Literal["images", "detections", "truth"]
_UNIQUE = 0.99  # of the rows of a table of images name one that no other does
_IDS, _FEW = 0.5, 20  # a class has fewer values than half of the rows, or than so many


@dataclass(slots=True)
class BoxColumns:
    """What a table has: canonical name → own column. ``layout``: what its box is by its name; of a ``listed`` box that says
    none, None."""

    table: Table
    columns: dict[str, Column] = field(default_factory=dict)
    layout: BoxLayout | None = None
    listed: Column | None = None
    is_matched: bool = False  # a column says what came true
    is_sure: bool = False  # all its scores are 1, as people's boxes have

    @property
    def has_box(self) -> bool:
        return self.layout is not None or self.listed is not None

    @property
    def holds(self) -> BoxHolds | None:
        """What the rows are; None: none of a detector's."""
        has = self.columns.keys()
        if "image_id" not in has:
            return None
        if self.has_box:
            return "detections" if "score" in has and not self.is_sure else "truth"
        ids = self.columns["image_id"]
        lonely = ids.filled and len(ids.counts) >= _UNIQUE * ids.filled
        return "images" if lonely and not {"score", "class"} & has else None

    def roles_left(self) -> Roles:
        """The same for guesses of slices: what has been made of columns, and which are free."""
        roles = Roles(self.table)
        for name, column in self.columns.items():
            roles.assign_role(name, column, "")
        return roles

    def list_names(self) -> list[Column]:
        """The columns that may name images as well, by their names."""
        words, held = BOXES["image_id"], self.columns["image_id"]
        return [
            each for each in self.table.columns
            if each is not held and _fits(each, "image_id") and any(word in (_plain(each), each.last) for word in words)
        ]  # fmt: skip

    def list_guesses(self, layout: BoxLayout | None) -> list[Guess]:
        """Canonical name, own name, reason; four columns of a box as ``layout`` says."""
        known = COLUMNS_OF[self.holds or "images"]
        held = {name: each.name for name, each in self.columns.items() if name in known and name not in _CORNERS}
        if self.layout is not None and layout is not None:
            own = [self.columns[name].name for name in BOX_COLUMNS[self.layout]]
            held |= dict(zip(BOX_COLUMNS[layout], own, strict=True))
        return [Guess(name, own, "its name") for name, own in held.items()]


_CORNERS = frozenset(name for names in BOX_COLUMNS.values() for name in names)


def find_box_columns(table: Table) -> BoxColumns:
    """Return what the columns of a table most likely are, of a detector's rows or images."""
    found = BoxColumns(table)
    _find_box(found)
    usual = find_roles(table)
    by_name = {name: _named(found, name) for name in ("image_id", "class", "score", "crowd", "detection_id")}
    found.columns |= {name: column for name, column in by_name.items() if column is not None}
    _prefer_names(found)
    sizes = ("image_width", "image_height") if found.has_box else ("width", "height")
    for name in sizes:
        column = _named(found, name)
        if column is not None and column.is_numeric:
            found.columns[name] = column
    taken = [column.name for column in found.columns.values()]
    for role in ("observed_at", "labelled_at", "version"):
        if role in usual.columns and usual.columns[role].name not in taken:
            found.columns[role] = usual.columns[role]
    found.is_matched = usual.overlap is not None or {"outcome", "score"} <= {*usual.columns, *found.columns}
    score = found.columns.get("score")
    found.is_sure = score is not None and bool(score.known) and set(score.known) == {1.0}
    return found


def _prefer_names(found: BoxColumns) -> None:
    """Of a class that is a number, the column beside it that has a name for each: truth says names, most often."""
    held = found.columns.get("class")
    if held is None or not held.is_numeric:
        return
    taken = {column.name for column in found.columns.values()}
    for column in found.table.columns:
        if column.name in taken or column.is_numeric or not _fits(column, "class"):
            continue
        is_called = any(word in (_plain(column), column.last) for word in BOXES["class"])
        pairs = {(one, other) for one, other in zip(held.raw, column.raw, strict=True) if one and other}
        if is_called and 0 < len(pairs) == len({one for one, _ in pairs}) == len({other for _, other in pairs}):
            found.columns["class"] = column
            return


def _find_box(found: BoxColumns) -> None:
    bare = {_bare(column): column for column in reversed(found.table.columns) if column.is_numeric}
    for layout in ("xyxy", "xywh", "cxcywh"):
        for names in LAYOUTS[layout]:
            if set(names) <= bare.keys():
                found.layout = layout
                found.columns |= dict(zip(BOX_COLUMNS[layout], (bare[name] for name in names), strict=True))
                return
    lists = [column for column in found.table.columns if column.last in BOXES["box"] and _is_of_four(column)]
    if lists:
        found.listed = found.columns["box"] = lists[0]


def _bare(column: Column) -> str:
    spelled = column.last
    for prefix in BOXES["prefixes"]:
        spelled = spelled.removeprefix(prefix)
    return spelled


def _is_of_four(column: Column) -> bool:
    rows = [cell for cell in column.raw if cell]
    return bool(rows) and sum(_length(cell) == 4 for cell in rows) >= MOSTLY * len(rows)


def _length(cell: str | list[object]) -> int:
    if isinstance(cell, list):
        return len(cell)
    return len(cell.strip(" ()[]").replace(";", ",").replace(",", " ").split())


def _named(found: BoxColumns, role: str) -> Column | None:
    """The column whose name says the role best, and whose values fit."""
    taken = {column.name for column in found.columns.values()}
    free = [column for column in found.table.columns if column.name not in taken]
    for word in BOXES[role]:
        for column in free:
            if word in (_plain(column), column.last) and _fits(column, role):
                return column
    return None


def _plain(column: Column) -> str:
    return "".join(mark for mark in column.name.casefold() if mark.isalnum())


def _fits(column: Column, role: str) -> bool:
    if not column.filled or column.kind in ("list", "other"):
        return False
    whole = not column.is_numeric or column.is_whole
    match role:
        case "score":
            return column.is_numeric and column.share(-1e-5, 100) == 1
        case "class":
            return whole and column.time_shape is None and len(column.counts) <= max(_FEW, _IDS * column.filled)
        case "image_id":
            return whole and column.time_shape is None
        case "detection_id":
            return whole and len(column.counts) >= _UNIQUE * column.filled
        case "crowd":
            return len(column.counts) <= 2
        case _:
            return True


def layout_by_name(column: Column) -> BoxLayout | None:
    """What the name of a column of lists says."""
    spelled = _plain(column)
    return next((layout for layout in ("cxcywh", "xywh", "xyxy") if layout in spelled), None)
