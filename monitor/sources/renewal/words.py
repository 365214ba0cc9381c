"""What a renewal of stored rows changed, in words."""

from collections.abc import Iterator
from dataclasses import astuple, dataclass
from operator import add

import duckdb

from monitor.config.settings import Model
from monitor.model import Task
from monitor.model.problems import Problem
from monitor.model.wording import first_few, quantity
from monitor.sources.labels.origins import Origins
from monitor.sources.renewal.slices import IN_CHARGE, SlicesRenewed
from monitor.store.connection import fetch_column


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows whose outcome changed, those of them that have none any more, rows that became one with another, and identities
    of which such rows predicted differently. ``waiting``: labelled rows without an outcome, as nothing says what it is."""

    rederived: int = 0
    unlabelled: int = 0
    merged: int = 0
    differing: int = 0
    waiting: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*map(add, astuple(self), astuple(other)))


def tell_renewal(
    connection: duckdb.DuckDBPyConnection, model: Model, counts: Counts, slices: SlicesRenewed, origins: Origins
) -> list[Problem]:
    """A problem that says all of it; none when nothing changed that numbers rest on."""
    changed = [*_outcomes(model, counts), *_slices(counts, slices)]
    if changed:
        changed.append("Drift evidence starts afresh")
    said = [*changed, *_left(connection, model, counts, origins)]
    return [Problem(model.name, "labels_judged_anew", f'model "{model.name}": {". ".join(said)}')] if said else []


def _outcomes(model: Model, counts: Counts) -> Iterator[str]:
    if not counts.rederived:
        return
    if model.task is not Task.BINARY:
        how = "the label names the predicted class, compared as values"
    elif model.positive is not None:
        how = f'the label is positive = "{model.positive}"'
    else:
        how = "the label is 1 or true"
    text = f"Outcomes of {quantity(counts.rederived, 'stored sample')} follow from their labels anew: {how}"
    if counts.unlabelled:
        text += f"; {counts.unlabelled:,} of them have none now, and count as unlabelled"
        if model.task is not Task.BINARY:
            text += ', as their labels are words like "None" (missing_labels in [model.source] names others)'
    yield text


def _slices(counts: Counts, slices: SlicesRenewed) -> Iterator[str]:
    """Rows and slices that became one with others."""
    if counts.merged:
        text = f"{quantity(counts.merged, 'stored row')} became one with another of the same sample_id and time"
        if counts.differing:
            text += f"; of {counts.differing:,} of these the rows predicted differently, and the newest counts"
        yield text
    if slices.moved:
        yield f"{quantity(len(slices.moved), 'slice')} whose values were written in two ways became one with another"
    if slices.scopes:
        yield (
            f"Calibrators of {first_few([f'{old!r}' for old in slices.scopes])} are now found under "
            f"{first_few([f'{new!r}' for new in slices.scopes.values()])}: what looks them up in current.json has to write "
            "slice values alike, as the code of calwatch docs without-calwatch does"
        )


def _left(connection: duckdb.DuckDBPyConnection, model: Model, counts: Counts, origins: Origins) -> Iterator[str]:
    """What stays as it was, and what is left to do."""
    if counts.waiting:
        yield (
            f"Labels of {quantity(counts.waiting, 'stored sample')} are names, and nothing says which of them the score is the "
            "probability of: they count as unlabelled until positive is set in [[model]]"
        )
    if counts.rederived and (scopes := first_few(fetch_column(connection, IN_CHARGE, {"model": model.name}))):
        yield (
            f"Calibrators in charge ({scopes}) were fitted before: run calwatch recalibrate {model.name}, "
            f"or calwatch rollback {model.name}"
        )
    if origins.of_predicted:
        yield (
            f"Outcomes of {quantity(origins.of_predicted, 'stored sample')} stay as they are: no score is below 0.5, whichever "
            'class is predicted, so scores speak of the predicted class: set task = "multiclass"'
        )
    if origins.mixed:
        yield (
            "Outcomes beside labels stay as they were: some sources give outcomes themselves, and which rows are of which was "
            f"not kept. Touch the files of {first_few(list(origins.mixed))} to have their labels judged anew"
        )
