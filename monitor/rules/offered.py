"""What a configuration offers to the rules of its models, and what they name that it does not."""

from collections.abc import Collection, Iterator
from functools import partial

from monitor.config.section import UnreadError, judge_each
from monitor.config.settings import Config, Model
from monitor.config.toml import list_words, suggest_nearest
from monitor.rules.pack import Packs, ReadRule, read_packs
from monitor.rules.tables import BUILT_IN_ACTIONS


def read_rules(config: Config) -> tuple[list[Packs], list[str]]:
    """Return the rule packs of each model, and every mistake in them or between them and the configuration.

    Of a configuration that could be read in part only, what was read counts; a model whose ``rules`` could not be has no packs.
    """
    mistakes: list[str] = []
    read: list[Packs] = []
    try:
        models = config.model
    except UnreadError:
        return [], []
    for number, model in enumerate(models, start=1):
        try:
            packs = read_packs(model.rules, config.base)
        except UnreadError:
            continue
        read.append(packs)
        mistakes += [mistake for mistake in packs.mistakes if mistake not in mistakes]
        mistakes += [f"{_title(model, number)}: {lack}" for lack in list_lacks(packs, model, config)]
    return read, mistakes


def _title(model: Model, number: int) -> str:
    try:
        return f'model "{model.name}"'
    except UnreadError:
        return f"model {number}"


def list_lacks(packs: Packs, model: Model, config: Config) -> list[str]:
    """Return what rules name although the model has it not: windows (of own packs; shipped ones are fitted), slice
    dimensions, actions. What could not be read of either is not judged."""
    return list(
        judge_each(
            partial(check, rule, model, config)
            for rule in packs.rules
            for check in (_lack_window, _lack_dimensions, _lack_actions)
            if not (check is _lack_window and rule.name in packs.shipped)
        )
    )


def _lack_window(rule: ReadRule, model: Model, config: Config) -> Iterator[str]:
    if "window" not in type(rule.table).model_fields:
        return
    window, windows = rule.table.window, list(model.window_names)
    if window not in windows:
        yield f'{rule.place("window")}: window "{window}" is none of the model\'s windows ({list_words(windows)})'


def _lack_dimensions(rule: ReadRule, model: Model, config: Config) -> Iterator[str]:
    for name in rule.table.only:
        if name not in model.slices:
            near = suggest_nearest(name, model.slices)
            yield f'{rule.place("only")}: only.{name}: "{name}" is no slice dimension of the model{near}'


def _lack_actions(rule: ReadRule, model: Model, config: Config) -> Iterator[str]:
    known: Collection[str] = (*BUILT_IN_ACTIONS, *(action.name for action in config.action))
    for name in rule.table.actions:
        if name not in known:
            yield f'{rule.place("actions")}: unknown action "{name}"{suggest_nearest(name, known)}'
