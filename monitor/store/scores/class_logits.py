"""Stored logits of labelled samples as refits need them, or why nothing can be fitted on them."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.config.settings import Model
from monitor.model import Task
from monitor.model.wording import first_few
from monitor.statistics.arrays import Floats
from monitor.store.scores.agreement import (
    ENOUGH,
    class_names,
    compare_classes,
    describe_agreement,
    name_codes,
)
from monitor.store.scores.logits import LOGITS, PROBABILITIES
from monitor.store.scores.served import stack_logits

Names = NDArray[np.str_]


def match_class_logits(
    column: object, labels: object, predicted: Names | None, outcome: Floats, model: Model, held: Collection[str]
) -> tuple[Floats | None, NDArray[np.int64] | None, str]:
    """(N, C) logits, the index (N,) of each true class, and what to say of them, "" for nothing.

    No logits unless every row has as many, and an index only where a calibrator may be fitted on them. ``predicted`` (N,)
    names, "" where a sample has none; ``outcome`` (N,) 1 where the prediction was right; ``held``: what the sources hold.
    """
    logits = stack_logits(column)
    if logits is None:
        return None, None, ""
    texts: np.ma.MaskedArray[Any, Any] = np.ma.asarray(labels)
    absent = np.ma.getmaskarray(texts)
    if absent.all():
        return None, None, ""
    if model.task == Task.BINARY:
        return logits, None, "logits are not used: the score of a binary task is that of the positive class"
    unusable = _unusable(logits, held)
    if unusable:
        return logits, None, f"logits are not used: {unusable}"
    if absent.any():
        return logits, None, f"logits are not used: {int(absent.sum()):,} of {len(logits):,} samples have no label"
    names = np.ma.getdata(texts).astype(str)
    # where no predicted class is logged, a right prediction tells it: it was the label
    logged = np.where(outcome == 1, names, "") if predicted is None else predicted
    found = compare_classes(logged, logits, model.classes)
    said = describe_agreement(found, model.classes, "sample")
    if found.is_broken:
        return logits, None, f"logits are not used: {said}"
    known = {name: place for place, name in enumerate(class_names(model.classes, logits.shape[1]))}
    distinct, codes = name_codes(names)
    places = [known.get(name, -1) for name in distinct]
    foreign = sorted(name for name, place in zip(distinct, places, strict=True) if not 0 <= place < logits.shape[1])
    if foreign:
        return logits, None, f"logits are not used: {_foreign(foreign, model.classes, logits.shape[1])}"
    told = [said] if said else []
    if PROBABILITIES in held:
        told.append(
            "the column logits holds probabilities: fitted on their logarithm, zeros floored at 1e-30, which serving has to "
            "take too (export and the code of calwatch docs without-calwatch do where the artefact says logits_are)"
            if set(held) == {PROBABILITIES}
            else "the sources of this model differ in what their logits are: serving is taken to have logits"
        )
    return logits, np.array(places, dtype=np.int64)[codes], "; ".join(told)


def _unusable(logits: Floats, held: Collection[str]) -> str:
    if logits.shape[1] < 2:
        return "there is one number a row; scores go to score or raw_score"
    if LOGITS in held:
        return ""
    within = ((logits >= 0) & (logits <= 1)).all(axis=1).mean()
    if within < ENOUGH:
        return ""
    return (
        "they lie from 0 to 1, as independent sigmoids or one-hot vectors do; log what goes into the softmax, or set "
        'logits_are in [[model.source]] to "logits" or "probabilities" if that is what they are'
    )


def _foreign(names: list[str], classes: Sequence[str], width: int) -> str:
    if classes:
        return (
            f"label says {first_few(names)}, which is none of the {min(len(classes), width)} classes that have a logit"
        )
    return (
        f"label says {first_few(names)}, and without classes they are called 0 to {width - 1}: set classes = [...], one name "
        "for each logit, in order"
    )
