"""What a model is asked that its samples can never tell: thresholds and rules about objects that were missed.

By itself, because it asks the configuration and the rules alone, and no row.
"""

from collections.abc import Iterable, Iterator

from monitor.config.settings import Model
from monitor.model import Rule
from monitor.model.reasons import Code
from monitor.model.words import tell_reason
from monitor.recalibration.thresholds import find_unanswerable
from monitor.rules.conditions import unknown_recall
from monitor.sources.findings import Finding, Weight


def find_unanswered(model: Model, rules: Iterable[Rule]) -> Iterator[Finding]:
    """Yield the policy that gives no threshold, suspicious where no further data would help, and rules that watch nothing."""
    if (lacks := find_unanswerable(model)) is not None:
        is_hopeless = lacks.code == Code.THRESHOLD_NEEDS_NEGATIVES
        yield Finding(f"threshold: {tell_reason(lacks)}", Weight.SUSPICIOUS if is_hopeless else Weight.NOTE)
    if model.counts_missed:
        return
    for rule in rules:
        if (blind := unknown_recall(rule)) is not None:
            yield Finding(f'{rule.origin} "{rule.name}": {tell_reason(blind)}', Weight.NOTE)
