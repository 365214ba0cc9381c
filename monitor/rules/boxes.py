"""What shipped rules do not ask of a detector whose boxes are its samples.

By itself, because it asks the model beside its rules: a pack is the same for all models.
"""

from dataclasses import replace

from monitor.config.boxes import BOX_DIMENSIONS
from monitor.config.settings import Model
from monitor.model import AbsenceRule, Rule
from monitor.rules.pack import Rulebook


def fit_boxes(rulebook: Rulebook, model: Model) -> Rulebook:
    """Return the rules with the silence of shipped ones about cameras, lines and the like alone, where boxes are the samples.

    That no forklift has been seen for a shift says nothing of a camera: classes and sizes come and go with what is there. A
    rule of the user's own covers what it says, and one whose ``only`` names a class that class.
    """
    if not model.is_of_boxes:
        return rulebook
    shipped = rulebook.shipped
    rules = tuple(_fitted(rule) if rule.name in shipped else rule for rule in rulebook)
    return replace(rulebook, rules=rules)


def _fitted(rule: Rule) -> Rule:
    if not isinstance(rule, AbsenceRule) or rule.absent == "pulls":
        return rule
    return replace(rule, leaves_out=frozenset(BOX_DIMENSIONS) - rule.only.as_dict().keys())
