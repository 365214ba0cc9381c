"""Shipped rules fitted to a model's own windows: each takes the nearest, and what was done is told in one sentence a pack."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta

from monitor.model import Rule, WindowRule
from monitor.model.durations import parse_duration
from monitor.rules.pack import Rulebook


def fit_windows(rulebook: Rulebook, windows: Mapping[str, timedelta]) -> Rulebook:
    """Return the rulebook with the windows of shipped rules that the model lacks replaced by the nearest it has.

    ``windows``: the model's, name → length, at least one. Names, bounds and durations of the rules stay; rules of own packs
    stay as they are written. A shipped rule that then says nothing which another shipped one does not say as soon and as
    long is left out, so that nothing is told and no refit asked for twice. ``mapped`` has a sentence for each pack.
    """
    moved: dict[str, str] = {}  # rule → the window it was written for
    fitted: list[Rule] = []
    for rule in rulebook:
        if isinstance(rule, WindowRule) and rule.name in rulebook.shipped and rule.window not in windows:
            moved[rule.name] = rule.window
            rule = replace(rule, window=nearest_window(rule.window, windows))
        fitted.append(rule)
    if not moved:
        return rulebook
    doubled = _doubled(fitted, rulebook.shipped, moved)
    kept = tuple(rule for rule in fitted if rule.name not in doubled)
    packs = dict.fromkeys(pack for name, pack in rulebook.shipped.items() if name in moved)
    sentences = tuple(
        _sentence(pack, [rule for rule in fitted if rulebook.shipped.get(rule.name) == pack], moved, doubled, windows)
        for pack in packs
    )
    return replace(rulebook, rules=kept, mapped=sentences)


def nearest_window(window: str, windows: Mapping[str, timedelta]) -> str:
    """Return the name of the window whose length is nearest by ratio; of two that are as near, the longer.

    >>> nearest_window("24h", {"12h": timedelta(hours=12), "2d": timedelta(days=2), "7d": timedelta(days=7)})
    '2d'
    """
    length = parse_duration(window)
    return min(windows, key=lambda name: (_ratio(length, windows[name]), -windows[name]))


def _ratio(one: timedelta, other: timedelta) -> float:
    return max(one, other) / min(one, other)


def _doubled(rules: Iterable[Rule], shipped: Mapping[str, str], moved: Mapping[str, str]) -> dict[str, str]:
    """Shipped rules that another one makes superfluous since windows were moved, each with the other's name."""
    doubled: dict[str, str] = {}
    own = [rule for rule in rules if rule.name in shipped and isinstance(rule, WindowRule)]
    for rule in reversed(own):  # of two that are alike the first stays
        others = (other for other in own if other is not rule and other.name not in doubled)
        near = (other for other in others if rule.name in moved or other.name in moved)
        if (found := next((other for other in near if _says_all_of(other, rule)), None)) is not None:
            doubled[rule.name] = found.name
    return doubled


def _says_all_of(other: WindowRule, rule: WindowRule) -> bool:
    """Whether ``other`` fires whenever ``rule`` does, at the same severity, for as long, and asks for the same as often."""
    as_other = replace(
        rule, name=other.name, origin=other.origin, summary=other.summary, actions=other.actions, cooldown=other.cooldown,
        hold=other.hold, keep_firing_for=other.keep_firing_for, min_samples=other.min_samples, orders=other.orders,
    )  # fmt: skip
    return (
        as_other == other
        and set(rule.orders) <= set(other.orders)
        and set(rule.actions) <= set(other.actions)
        and (not rule.actions or other.cooldown <= rule.cooldown)
        and other.hold <= rule.hold
        and other.min_samples <= rule.min_samples
        and other.keep_firing_for >= rule.keep_firing_for
    )


def _sentence(
    pack: str,
    rules: Iterable[Rule],
    moved: Mapping[str, str],
    doubled: Mapping[str, str],
    windows: Mapping[str, timedelta],
) -> str:
    """``rule pack "default": windows 24h -> 2d (nearest of 6h, 2d) for rules ece-high, …; 7d -> 2d for …``."""
    groups: dict[tuple[str, str], list[str]] = {}
    for rule in rules:
        if isinstance(rule, WindowRule) and rule.name in moved:
            groups.setdefault((moved[rule.name], rule.window), []).append(rule.name)
    offered = f" (nearest of {', '.join(windows)})"
    said = []
    for number, ((old, new), names) in enumerate(groups.items()):
        left = [name for name in names if name not in doubled] or names
        said.append(f"{old} -> {new}{'' if number else offered} for rule{'s' * (len(left) != 1)} {', '.join(left)}")
    said += [
        f"{rule.name} is left out, since {doubled[rule.name]} now says the same"
        for rule in rules
        if rule.name in doubled
    ]
    return f'rule pack "{pack}": windows {"; ".join(said)}'
