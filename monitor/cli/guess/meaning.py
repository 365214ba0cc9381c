"""What the values of a table say of its model: the task, what a label and a score are, which columns cut the traffic."""

from collections.abc import Iterator

from monitor.cli.guess.columns import Column, Table, sign_of, split_words
from monitor.cli.guess.cuts import guess_slices
from monitor.cli.guess.found import Guess, Meaning
from monitor.cli.guess.logits import guess_logits
from monitor.cli.guess.roles import Roles, find_roles, is_image_like
from monitor.cli.guess.truth import guess_truth
from monitor.cli.guess.words import NAMES
from monitor.model import Task
from monitor.sources.column_hints import SOFTMAX_DOCS
from monitor.sources.ingest.percentages import mixes_units

_TWO = 2  # classes of a binary task
_LOWEST_OF_TOP = 0.5  # of two classes the one that is predicted never has less


def guess_meaning(table: Table) -> Meaning:
    """Return what the rows most likely mean."""
    roles = find_roles(table)
    task, why = _task(roles)
    meaning = Meaning(roles, Guess("task", task.value, why))
    if roles.probabilities:
        _settle_probabilities(meaning, task)
    guess_truth(meaning, task)
    _guess_score(meaning, task)
    guess_logits(meaning, task)
    meaning.slices = guess_slices(roles)
    meaning.todo += list(_missing(roles, task, {key for key, _ in meaning.todo}))
    return meaning


def _task(roles: Roles) -> tuple[Task, str]:
    """The task with the reason for it."""
    label, predicted, outcome = (roles.columns.get(role) for role in ("label", "predicted_class", "outcome"))
    if "positives" in roles.columns:
        return Task.SEGMENTATION, "rows carry counts of pixels, n and positives"
    boxes = _boxes(roles)
    if boxes:
        return Task.DETECTION, boxes
    lowest = _lowest(roles)
    below = lowest is not None and lowest < _LOWEST_OF_TOP
    goes = (
        "no score was found that tells more" if lowest is None
        else "scores go below 1/2" if below
        else "no score is below 1/2, as the larger of two has it"
    )  # fmt: skip
    if label is not None:
        classes = list(predicted.values) if predicted is not None else []
        if below and len(classes) <= _TWO and not set(classes) & set(label.values):
            classes = []  # the same two written in other ways, such as 0 and 1 beside ok and defect
        found = list(dict.fromkeys([*label.values, *classes]))
        names = " and ".join(f'"{value}"' for value in found)
        if len(found) > _TWO:
            return Task.MULTICLASS, f'"{label.name}" holds {len(found):,} classes'
        if predicted is None or below or not found:
            return Task.BINARY, f'"{label.name}" holds {names or "nothing yet"}, and {goes}'
        whose = "" if lowest is None else ": it is of the predicted class"
        return Task.MULTICLASS, f'"{label.name}" holds {names}, beside a predicted class, and {goes}{whose}'
    if outcome is not None:
        if NAMES["of_being_right"] & outcome.words:
            return Task.MULTICLASS, f'"{outcome.name}" says whether a prediction was right'
        if below or lowest is None:
            return Task.BINARY, f'"{outcome.name}" holds two values, and {goes}'
        return Task.MULTICLASS, f"{goes}: the score is of the predicted class"
    if predicted is not None and len(predicted.counts) > 2:
        return Task.MULTICLASS, f'"{predicted.name}" holds {len(predicted.counts):,} classes'
    if len(roles.probabilities) > 2:
        return Task.MULTICLASS, f"{len(roles.probabilities)} columns of probabilities that sum to 1"
    return Task.BINARY if below else Task.MULTICLASS, goes


def _boxes(roles: Roles) -> str:
    """What makes a table look like one of boxes; "" when nothing does."""
    if roles.boxes:
        return f"{', '.join(column.name for column in roles.boxes)} describe boxes"
    if roles.overlap is not None:
        return f'"{roles.overlap.name}" is the overlap with a box of the truth'
    repeated = roles.repeated_id
    group = roles.columns.get("group_id")
    image = repeated if repeated is not None and _per_value(repeated) > 1.2 else group
    if image is not None and (image is repeated or is_image_like(image)):
        return f'"{image.name}" comes in {_per_value(image):.1f} rows each, as images do whose boxes are rows'
    return ""


def _per_value(column: Column) -> float:
    return column.filled / len(column.counts) if column.counts else 0.0


def _lowest(roles: Roles) -> float | None:
    """The lowest score, as a probability; of two columns that sum to 1 the lowest of the first."""
    score = roles.columns.get("score") or next(iter(roles.probabilities), None)
    if score is None or not score.known:
        return None
    return min(score.known) / (100 if _is_percent(score) else 1)


def _is_percent(score: Column) -> bool:
    beyond = sum(1 + 1e-5 < number <= 100 for number in score.known)
    return beyond >= 0.01 * len(score.known) and (beyond >= 20 or beyond > 0.5 * len(score.known))


def _settle_probabilities(meaning: Meaning, task: Task) -> None:
    """Of two columns that sum to 1 the one of the positive class is the score; of more none is."""
    roles, columns = meaning.roles, meaning.roles.probabilities
    names = ", ".join(f'"{column.name}"' for column in columns)
    if len(columns) == 2 and task is Task.BINARY:
        signs = [sign_of(" ".join(word for word in split_words(column.name) if word != "p")) for column in columns]
        last = [split_words(column.name)[-1] for column in columns]
        place = (
            signs.index(1) if signs.count(1) == 1
            else 1 - signs.index(-1) if signs.count(-1) == 1
            else last.index("1") if sorted(last) == ["0", "1"]
            else None
        )  # fmt: skip
        if place is not None:
            chosen = columns[place]
            roles.assign_role("score", chosen, f"of {names}, which sum to 1, the one of the positive class")
            roles.other_scores, roles.probabilities = [column for column in columns if column is not chosen], []
            return
    largest = f"greatest({', '.join(column.name for column in columns)})"
    which = "that of the positive class" if task is Task.BINARY else f"the predicted class's, {largest}"
    how = "" if task is Task.BINARY else f": {SOFTMAX_DOCS}"
    meaning.leave_open("score", f"{names} hold a probability for each class; calwatch takes one: map {which}{how}")


def _guess_score(meaning: Meaning, task: Task) -> None:
    score = meaning.roles.columns.get("score")
    if score is None:
        return
    if score.has_decimal_commas:
        meaning.leave_open("score", f'"{score.name}" writes 0,83: calwatch reads 0.83, so write a decimal point')
    elif _is_percent(score):
        meaning.source.append(Guess("score_unit", "percent", f'"{score.name}" goes up to {max(score.known):g}'))
        small, next_ = (sum(low < number <= 10 * low for number in score.known) for low in (0.1, 1))
        if mixes_units(small, next_, len(score.known)):
            meaning.leave_open(
                "score",
                f'{small:,} of {len(score.known):,} values of "{score.name}" lie between 0.1 and 1, {next_:,} between 1 and '
                "10: if some are probabilities and others percentages, write all of them alike",
            )
    elif score.share(-1e-5, 1 + 1e-5) < 0.99:
        meaning.leave_open("score", f'some values of "{score.name}" are above 1: are they probabilities?')
    if meaning.roles.score_is_one_of_several:
        others = ", ".join(f'"{column.name}"' for column in meaning.roles.other_scores)
        meaning.leave_open("score", f'"{score.name}" was taken; {others} could be meant too: look at the line')
    has = meaning.roles.columns.keys()
    is_label_alone = task is Task.BINARY and "label" in has and "predicted_class" not in has
    if is_label_alone and (_lowest(meaning.roles) or 0) >= _LOWEST_OF_TOP:
        meaning.leave_open(
            "task",
            'no score is below 1/2: where they are of the predicted class, map predicted_class and set task = "multiclass"',
        )


def _missing(roles: Roles, task: Task, told: set[str]) -> Iterator[tuple[str, str]]:
    """What calwatch needs and what was not found, each with what to do. ``told``: what is left open already."""
    unlike = {column.name: column for column in roles.list_free() if column.filled and column.name not in told}
    for name in ("outcome", "label", "predicted_class", "score", "observed_at"):
        if name in unlike:
            told |= {name}
            some = ", ".join(unlike[name].values[:3])
            yield name, f"the column of that name does not look like it: its values are {some}"
    has, rows = roles.columns.keys(), roles.table.rows
    repeated, in_files, version = roles.repeated_id, roles.repeated_in_files, roles.columns.get("version")
    if repeated is not None:
        held = f'"{repeated.name}" holds {len(repeated.counts):,} values in {rows:,} rows'
        how = "map it as group_id and give each row an id of its own, such as image and number of the box"
        yield "sample_id", f"{held}: if it is the image, {how}"
    elif "sample_id" not in has:
        yield "sample_id", "no column names each row once: add one, such as the part's number or the image's name"
    if in_files is not None:
        again = f'"{in_files.name}" comes again in other files at the same time'
        how = "Make ids that differ, such as file and number"
        yield "sample_id", f"{again}: the later would take the earlier's place. {how}"
    if "observed_at" not in has and "observed_at" not in told:
        yield "observed_at", "no column holds times: add when each prediction was made"
    if "score" not in has and "score" not in told:
        how = "no column holds probabilities, 0 to 1: add the one the model gave"
        if (logits := roles.columns.get("logits")) is not None:
            one = "calwatch takes one, the predicted class's"
            how = f'"{logits.name}" holds one for each class; {one}: {SOFTMAX_DOCS}'
        yield "score", how
    if roles.overlap is not None and not {"outcome", "label"} & has:
        yield "outcome", f'write one from "{roles.overlap.name}", such as {roles.overlap.name} >= 0.5'
    elif roles.truths:
        either = " or ".join(f'"{column.name}"' for column in roles.truths[:3])
        yield "label", f"{either} could say what was true: map label, and predicted_class if one is the prediction"
    elif not {"outcome", "label", "positives"} & has and not {"outcome", "label"} & told:
        wanted = 'outcome (0 or 1) or label, or a [[model.source]] with holds = "labels"'
        yield "outcome", f"no column says what came true: add {wanted}"
    if "label" in has and task is not Task.BINARY and not {"outcome", "predicted_class"} & has:
        yield "predicted_class", "a label needs the class predicted beside it: add it, or outcome (0 or 1)"
    if version is not None and len(version.counts) > max(20, rows // 10):
        count = len(version.counts)
        yield "version", f'"{version.name}" holds {count:,} values: each begins anew. Is it one a build?'
