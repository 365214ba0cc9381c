"""From a detector's files to a configuration with its images, detections and truth."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path

from monitor.cli.guess.boxes.columns import layout_by_name
from monitor.cli.guess.boxes.names import find_class_names
from monitor.cli.guess.boxes.nested import NESTED
from monitor.cli.guess.boxes.parts import BoxPart, find_parts
from monitor.cli.guess.boxes.trial import KEYS, Tried, share_known, tell_layout, try_sources
from monitor.cli.guess.columns import Column
from monitor.cli.guess.cuts import guess_slices
from monitor.cli.guess.found import Guess
from monitor.cli.guess.times import ZONELESS, guess_times
from monitor.cli.guess.writing import Part, write_config, write_line
from monitor.model.errors import UsageError
from monitor.model.wording import first_few
from monitor.sources.formats.boxes.small_files import stem_of

_ORDER = ("images", "detections", "truth")
_SLICES, _FEWEST, _MOST_CLASSES = 3, 2, 20
_ZONELESS = re.compile(r"\d{4}[-/]\d\d?[-/]\d\d?([ T]\d\d?:\d\d(:\d\d(\.\d+)?)?)?")
_PREDICTED = re.compile(r"(predict|detect|inference|runs?$|exp\d*$|vorhersage)", re.IGNORECASE)
_MET = 0.5  # share of images that one side has of the other, above which they are named alike
_ABOVE = 4  # folders above files, that may say what these are
_PLAIN = {"data", "samples", "input", "export", "test", "labels", "boxes", "dataset", "annotations"}
_HOW = {
    "images": "a table of images", "detections": "boxes with scores", "truth": "boxes without scores",
}  # fmt: skip


@dataclass(slots=True)
class BoxDraft:
    """What was guessed; the fields are those of ``monitor.cli.guess.draft.Draft``."""

    text: str
    read: str
    guesses: list[Guess]
    by_name: list[str]
    todo: list[tuple[str, str]]


@dataclass(slots=True)
class _Plan:
    """The sources to be, and what is settled of all of them."""

    asked: str
    directory: Path
    parts: list[BoxPart]
    layout: Guess | None = None  # of lists of four
    classes: Guess | None = None
    todo: list[tuple[str, str]] = field(default_factory=list)

    def part(self, holds: str) -> BoxPart | None:
        """The first of those that hold it."""
        return next((part for part in self.parts if part.holds == holds), None)


def draft_boxes(asked: str, directory: Path) -> BoxDraft | None:
    """Return a configuration of a detector whose boxes calwatch matches; None where the files hold none, or rows that are
    matched already and nothing to match them with. Raises UsageError where a file cannot be read."""
    found, failed = find_parts(asked)
    if not _is_of_boxes(found):
        if told := next((why for why in failed.values() if NESTED in why), None):
            raise UsageError(f"--from {asked}: {told}")
        return None
    plan = _Plan(asked, directory, _settle_sides(found))
    _leave_scoreless(plan)
    if plan.part("detections") is None:
        plan.parts.append(BoxPart("detections", "auto", str(directory.resolve() / "detections" / "*.parquet"), ()))
    plan.todo += [("path", f"{path.name} is left out: {_less(why, path)}") for path, why in failed.items()]
    _leave_others(plan)
    if names := find_class_names([part.files[0] for part in plan.parts if part.format == "yolo"]):
        plan.classes = Guess("classes", names[0], f"from {names[1].name}")
    tried = try_sources(_write(plan, Tried({}, ()), None), directory)
    _settle_images(plan, tried)
    _settle_layouts(plan, tried)
    tried = try_sources(_write(plan, tried, None), directory)
    for name, part in _named(plan):
        times = tried.trials[name].found.times.values() if name in tried.trials else ()
        part.is_zoneless = part.read is None and any(_ZONELESS.fullmatch(time) for time in times)
    _leave_doubts(plan, tried)
    return _finish(plan, tried)


def _less(why: str, path: Path) -> str:
    return why.removeprefix(f"{path}: ")


def _is_of_boxes(found: Sequence[BoxPart]) -> bool:
    boxed = [part for part in found if part.holds != "images"]
    alone = boxed and all(part.holds == "detections" and part.read and part.read.is_matched for part in boxed)
    return bool(boxed) and not alone


def _settle_sides(found: Sequence[BoxPart]) -> list[BoxPart]:
    """In the order in which sources are written. Boxes whose scores are all 1 are truth only beside others."""
    parts = sorted(found, key=lambda part: _ORDER.index(part.holds))
    if not any(part.holds == "detections" for part in parts):
        for part in parts:
            if part.read is not None and part.read.is_sure:
                part.holds = "detections"
    for part in parts:
        if part.holds == "truth" and part.read is not None and part.read.is_sure:
            part.why["holds"] = "every score is 1, as people's boxes have"
    return sorted(parts, key=lambda part: _ORDER.index(part.holds))


def _leave_scoreless(plan: _Plan) -> None:
    """Of YOLO's files without scores that speak of the same images some are predictions: those in a folder that says so."""
    parts = [part for part in plan.parts if part.holds == "truth" and part.format == "yolo"]
    if plan.part("detections") is not None or len(parts) < 2:
        return
    stems = {id(part): {stem_of(path.name) for path in part.files} for part in parts}
    foretold = [part for part in parts if any(_PREDICTED.match(name) for name in part.files[0].parts[:-1][-_ABOVE:])]
    for part in foretold if len(foretold) < len(parts) else ():
        mine = stems[id(part)]
        if any(
            len(mine & stems[id(other)]) > 0.2 * min(len(mine), len(stems[id(other)]))
            for other in parts
            if other not in foretold
        ):
            plan.parts.remove(part)
            what = "looks like predictions, but no box has a confidence: let the detector write it, with save_conf=True in YOLO"
            plan.todo.append(("path", f"{part.named} {what}; it is left out, and is no truth"))


def _leave_others(plan: _Plan) -> None:
    """Of several files of detections of the same images the first is taken: others are another detector's, most likely."""
    kept: list[BoxPart] = []
    for part in plan.parts:
        same = next((other for other in kept if other.holds == part.holds and _share_images(part, other)), None)
        if same is None:
            kept.append(part)
            continue
        what = (
            "another detector's? Give it a [[model]] of its own"
            if part.holds == "detections"
            else "which of them is meant?"
        )
        plan.todo.append(("path", f"{part.named} speaks of the same images as {same.named}, and is left out: {what}"))
    plan.parts[:] = kept
    for part in plan.parts:
        if part.read is not None and part.read.is_matched:
            told = "says what came true by itself; calwatch matches boxes anew, and that column is not read"
            plan.todo.append(("source", f"{part.named} {told}"))


def _share_images(one: BoxPart, other: BoxPart) -> bool:
    if one.read is None or other.read is None:
        return one.format == other.format == "coco" and one.holds == "detections"
    ids = [set(part.read.columns["image_id"].values) for part in (one, other) if part.read is not None]
    return len(ids[0] & ids[1]) > 0.2 * min(map(len, ids))


def _settle_images(plan: _Plan, tried: Tried) -> None:
    """Of tables and formats that name an image in several ways the name that the other sides know it by."""
    tried = _settle_table(plan, tried)
    ids = {part.holds: list(tried.trials[name].ids) for name, part in _named(plan) if name in tried.trials}
    known = ids.get("images") or ids.get("detections") or []
    for name, part in _named(plan):
        mine = list(tried.trials[name].ids) if name in tried.trials else []
        other = known if part.holds != "detections" else ids.get("truth", [])
        if part.format not in KEYS or part.image_key is not None or not other or share_known(mine, other) > _MET:
            continue
        for key in KEYS[part.format]:
            part.image_key = key
            again = try_sources(_write(plan, tried, None), plan.directory).trials[name].ids
            if (share := share_known(list(again), other)) > _MET:
                part.why["image_id"] = f"so {100 * share:.0f} % of its images are those of the other files"
                break
            part.image_key = None


def _settle_table(plan: _Plan, tried: Tried) -> Tried:
    """Of a table of images with several columns that may name them the one that most boxes speak of."""
    images = plan.part("images")
    if images is None or images.read is None or "images" not in tried.trials:
        return tried
    first, best = images.read.columns["image_id"], _share_listed(tried)
    for column in images.read.list_names() if best <= _MET else ():
        before, images.read.columns["image_id"] = images.read.columns["image_id"], column
        again = try_sources(_write(plan, tried, None), plan.directory)
        if (share := _share_listed(again)) > max(best, _MET):
            best, tried = share, again
            images.why["image_id"] = f'{100 * share:.0f} % of images with boxes are named so, and not by "{first.name}"'
        else:
            images.read.columns["image_id"] = before
    return tried


def _share_listed(tried: Tried) -> float:
    """Share of the images of boxes that the table of images lists; of detections and truth that which is lower."""
    listed = list(tried.trials["images"].ids)
    sides = [list(trial.ids) for trial in tried.trials.values() if trial.holds != "images" and trial.ids]
    return min((share_known(ids, listed) for ids in sides), default=1.0)


def _settle_layouts(plan: _Plan, tried: Tried) -> None:
    for name, part in _named(plan):
        if part.read is None or not part.read.has_box or name not in tried.trials:
            continue
        listed = part.read.listed
        named = part.layout if listed is None else layout_by_name(listed)
        told = tell_layout(tried.trials[name].found, tried.sizes, named)
        if listed is None:
            part.layout = told.layout
            if told.why:
                part.why["box"] = told.why
        elif plan.layout is None:
            plan.layout = Guess(
                "boxes", told.layout, told.why or (f'"{listed.name}" says so' if named else "the usual")
            )
        elif plan.layout.value != told.layout:
            others = f"{part.named} seems to be {told.layout}, other files {plan.layout.value}: write them alike"
            plan.todo.append(("boxes", others))
        if told.doubt:
            plan.todo.append(("boxes", f"{part.named}: {told.doubt}"))


def _leave_doubts(plan: _Plan, tried: Tried) -> None:
    """What nobody can tell but a person."""
    if not any(trial.found.times for trial in tried.trials.values()):
        what = "no file says when images were taken: add a column of times to images or detections"
        plan.todo.append(("observed_at", f"{what}, and map it; until then calwatch measures nothing"))
    if any(not part.files for part in plan.parts):
        plan.todo.append(("path", 'no file with scores was found: let the source that holds "detections" name them'))
    if plan.part("truth") is None:
        plan.todo.append(("source", 'no file says what is true: add a [[model.source]] with holds = "truth"'))
    truth = plan.part("truth")
    if plan.part("images") is None and (truth is None or truth.format == "auto"):
        what = 'without a [[model.source]] with holds = "images", images in which nothing was found are unknown'
        plan.todo.append(("source", f"{what}, and so are false positives per image"))
    there = ["", *(name for name, part in _named(plan) if part.files)]
    plan.todo += [("check", f"{name}: {text}" if name else text) for name, text in tried.findings if name in there]


def _named(plan: _Plan) -> Iterator[tuple[str, BoxPart]]:
    """The sources by name: what they hold, with a number behind where several do."""
    counts: dict[str, int] = {}
    for part in plan.parts:
        counts[part.holds] = counts.get(part.holds, 0) + 1
        yield part.holds + (f"-{counts[part.holds]}" if counts[part.holds] > 1 else ""), part


def _source(name: str, part: BoxPart, directory: Path | None, todo: list[tuple[str, str]]) -> Part:
    settings = [
        Guess("name", name, ""), Guess("holds", part.holds, part.why.get("holds", _HOW[part.holds]) if part.files else ""),
        Guess("path", _path(part.pattern, directory), ""),
    ]  # fmt: skip
    if part.format != "auto":
        settings.append(Guess("format", part.format, "by what is in it"))
    if part.is_zoneless:
        settings.append(Guess("time_zone", "UTC", ZONELESS))
    columns: list[Guess] = []
    if part.image_key is not None:
        columns.append(
            Guess("image_id", part.image_key, part.why.get("image_id", "the files say no name of their image"))
        )
    if part.read is not None:
        times, open_ = guess_times(
            [part.read.columns[name] for name in ("observed_at", "labelled_at") if name in part.read.columns]
        )
        todo += [one for one in open_ if one not in todo]
        settings += times
        score = part.read.columns.get("score")
        if score is not None and score.share(0, 1.00001) < 0.99:
            settings.append(Guess("score_unit", "percent", f'"{score.name}" goes up to {max(score.known):g}'))
        columns += part.read.list_guesses(part.layout)
        whys = {**dict.fromkeys(("x", "x1", "cx"), part.why.get("box")), "image_id": part.why.get("image_id")}
        columns = [replace(each, why=whys.get(each.key) or each.why) for each in columns]
        columns += [Guess(name, column.name, why) for name, column, why in _own_slices(part)]
    mapped = [each for each in columns if each.key != each.value]
    return Part(part.holds, settings, mapped, [each.key for each in columns if each.key == each.value])


def _own_slices(part: BoxPart) -> list[tuple[str, Column, str]]:
    if part.read is None or part.holds == "truth":
        return []
    if part.holds == "detections" and part.read.is_matched:
        return []
    return guess_slices(part.read.roles_left())


def _slices(plan: _Plan, tried: Tried) -> Guess:
    found: dict[str, str] = {}
    for part in plan.parts:
        for name, _, why in _own_slices(part):
            found.setdefault(name, f"{name}: of {part.holds}, {why}")
    names = list(found)[:_SLICES]
    whys = [found[name] for name in names]
    classes = {each for trial in tried.trials.values() for each in trial.found.classes if each}
    if _FEWEST <= len(classes) <= _MOST_CLASSES:
        names.append("class")
        whys.append(f"class: {len(classes)} values")
    return Guess("slices", names, "; ".join(whys) or "no column of few values that come again was found")


def _write(plan: _Plan, tried: Tried, directory: Path | None) -> str:
    """The configuration for ``directory``; None: for a trial, whose paths are absolute."""
    todo: list[tuple[str, str]] = []
    parts = [_source(name, part, directory, todo) for name, part in _named(plan)]
    plan.todo += [each for each in todo if each not in plan.todo]
    starter = files("monitor.cli.starter").joinpath("calwatch.toml").read_text("utf-8")
    return write_config(
        starter, f"{plan.asked}, from {_read(plan)}", _model(plan, tried), parts, plan.todo, _matching(plan)
    )


def _model(plan: _Plan, tried: Tried) -> list[Guess]:
    held = first_few(list(dict.fromkeys(part.holds for part in plan.parts if part.files)))
    found = [_name(plan), Guess("task", "detection", f"there are {held} of boxes"), _slices(plan, tried)]
    return [*found, plan.classes] if plan.classes is not None else found


def _matching(plan: _Plan) -> list[str]:
    lines = [
        "", "  [model.matching]",
        "  iou = 0.5                       # a box is right if it overlaps an object of its class by this",
        "  # size = [32, 96]               # pixels: adds the slice dimension size: small, medium, large",
    ]  # fmt: skip
    if plan.layout is not None:
        lines.append(write_line("  ", plan.layout))
    return lines


def _read(plan: _Plan) -> str:
    return " and ".join(f"{part.holds} in {part.named}" for part in plan.parts if part.files)


def _finish(plan: _Plan, tried: Tried) -> BoxDraft:
    text = _write(plan, tried, plan.directory)
    parts = [(name, _source(name, part, plan.directory, [])) for name, part in _named(plan)]
    guesses = [replace(each, key=f"{each.key} of {name}") for name, part in parts for each in part.list_guesses()]
    by_name = [f"taken by their names of {name}: {', '.join(part.same)}" for name, part in parts if part.same]
    more = [plan.layout] if plan.layout is not None else []
    return BoxDraft(text, _read(plan), [*_model(plan, tried), *more, *guesses], by_name, plan.todo)


def _name(plan: _Plan) -> Guess:
    asked = Path(plan.asked).resolve()
    own = (
        asked.name
        if asked.is_dir()
        else (plan.parts[0].files[0].parent.name if "*" in plan.asked else asked.name.partition(".")[0])
    )
    words = "-".join(re.findall(r"[^\W\d_]+", own)).lower()
    if len(words) < 3 or words in _PLAIN:
        return Guess("name", "model", "no name was found: it is the label `model` of its series")
    return Guess("name", words, "from the name of the files: the label `model` of its series")


def _path(pattern: str, directory: Path | None) -> str:
    """Relative where the files lie in the directory or beside it, so that both can be moved together; else absolute."""
    if directory is None:
        return pattern
    relative = os.path.relpath(pattern, directory.resolve())
    return pattern if relative.startswith(f"..{os.sep}..") else relative
