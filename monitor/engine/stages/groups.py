"""Evidence of samples in groups is told by what these are called.

By itself, because weighing needs no name: it asks the store no more than it must at each tick.
"""

from collections.abc import Iterable
from dataclasses import replace

from monitor.model import Evidence
from monitor.store.cells import has_groups
from monitor.store.model_store import ModelStore


def name_groups(store: ModelStore, evidence: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """Return the evidence, where the model's samples come in groups with what one is called."""
    noun = store.model.noun if has_groups(store) else None
    return tuple(replace(each, group_noun=noun) for each in evidence)
