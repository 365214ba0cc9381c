"""How outcomes and labels are understood: which name is the positive class, which words say that something came true."""

from monitor.cli.guess.columns import Column, auroc, sign_of
from monitor.cli.guess.found import Guess, Meaning
from monitor.cli.guess.words import VALUES
from monitor.model import Task

_PLAIN_OUTCOMES = {"0", "1", "true", "false"}


def guess_truth(meaning: Meaning, task: Task) -> None:
    """Add what says how outcomes and labels are understood: positive, outcomes."""
    roles = meaning.roles
    label, outcome = roles.columns.get("label"), roles.columns.get("outcome")
    if task is Task.BINARY and label is not None and label.values:
        found = {value.casefold() for value in label.values}
        if found <= {"-1", "1"}:
            meaning.model.append(Guess("positive", "1", f'"{label.name}" holds {" and ".join(sorted(found))}'))
        elif not found <= _PLAIN_OUTCOMES:
            _guess_positive(meaning, label)
        elif label.name != "label":  # 0 and 1 are outcomes as they stand
            roles.columns["outcome"] = roles.columns.pop("label")
            roles.reasons["outcome"] = roles.reasons.pop("label")
    elif outcome is not None and outcome.values:
        found = {value.casefold() for value in outcome.values}
        if not found <= _PLAIN_OUTCOMES:
            _guess_outcomes(meaning, outcome, task)


def _guess_positive(meaning: Meaning, label: Column) -> None:
    chosen, why = _positive(label, meaning.roles.columns.get("score"))
    if chosen is not None:
        meaning.model.append(Guess("positive", chosen, why))
    else:
        names = " or ".join(f'"{value}"' for value in label.values[:2])
        how = f"set positive to the label that the score is the probability of, {names}"
        meaning.leave_open("positive", f"{why}: {how}")


def _positive(column: Column, score: Column | None) -> tuple[str | None, str]:
    """The value that most likely is the positive class and why; None and why it is not known."""
    signs = {value: sign_of(value) for value in column.values}
    bad = [value for value, sign in signs.items() if sign > 0]
    good = [value for value, sign in signs.items() if sign < 0]
    known = bad if len(bad) == 1 else [value for value in signs if value not in good] if len(good) == 1 else []
    if len(known) != 1 or len(signs) > 2:
        return None, f'which of the labels in "{column.name}" is the positive class cannot be told from their names'
    above = auroc(score, column, known[0])
    if above is not None and above < 0.4:
        return None, f'"{known[0]}" is a usual name of the positive class, but its scores are lower than the others\''
    which = f"{known[0]} is a usual name of the positive" if bad else f"{good[0]} is a usual name of the negative"
    return known[0], f"of the labels {' and '.join(sorted(signs))}, {which} class"


def _guess_outcomes(meaning: Meaning, outcome: Column, task: Task) -> None:
    """Words for the two outcomes: of a binary task the positive class, else whether a prediction was right."""
    values = outcome.values
    lowered = {value.casefold() for value in values}
    if lowered <= {"-1", "1"}:
        meaning.source.append(Guess("outcomes", {"true": ["1"], "false": ["-1"]}, f'"{outcome.name}" holds -1 and 1'))
        return
    if task is Task.BINARY:
        chosen, why = _positive(outcome, meaning.roles.columns.get("score"))
        true = [chosen] if chosen is not None else []
    else:
        true, why = (
            [value for value in values if value.casefold() in VALUES["right"]],
            f'"{outcome.name}" holds such words',
        )
    false = [
        value for value in values if value not in true and (task is Task.BINARY or value.casefold() in VALUES["wrong"])
    ]
    if true and len(true) + len(false) == len(values):
        meaning.source.append(Guess("outcomes", {"true": true, "false": false}, why))
    else:
        shown = ", ".join(f'"{value}"' for value in values[:4])
        meaning.leave_open(
            "outcomes",
            f'"{outcome.name}" holds {shown}: say outcomes = {{ true = ["…"], false = ["…"] }} in [model.source]',
        )
