"""The text of a guessed calwatch.toml: the starter's, with what was guessed and why in the place of its example."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from monitor.cli.guess.found import Guess

_COMMENTS_FROM = 34  # column of the comments


@dataclass(frozen=True, slots=True)
class Part:
    """One [[model.source]]: its settings, its columns (canonical name, own name, reason), and those of the
    ``same`` name in both."""

    holds: str
    settings: Sequence[Guess]
    columns: Sequence[Guess]
    same: Sequence[str]

    def list_guesses(self) -> list[Guess]:
        """What was guessed of it, for a summary."""
        return [*(guess for guess in self.settings if guess.why), *self.columns]


def write_config(
    starter: str, origin: str, model: Iterable[Guess], parts: Sequence[Part], todo: Sequence[tuple[str, str]],
    beside: Sequence[str] = (),
) -> str:  # fmt: skip
    """Return the configuration. ``starter``: the text that init writes without a file, whose other sections stay; ``beside``:
    lines after the sources."""
    before, _, rest = starter.partition("[[model]]\n")
    section, _, after = rest.partition("  [model.recalibration]\n")
    guesses = list(model)
    left = {"windows", "label_maturity", "rules"} - {guess.key for guess in guesses}
    kept = [line for line in section.splitlines() if line.partition(" = ")[0] in left]
    lines = ["[[model]]", *(write_line("", guess) for guess in guesses)]
    lines += [f"# to do: {_clean(key)}: {_clean(what)}" for key, what in todo]
    lines += ['# positive = "…"'] if any(key == "positive" for key, _ in todo) else []
    lines += kept
    for part in parts:
        lines += ["", *_source(part)]
    lines += beside
    said = f"# Guessed by calwatch init --from {_clean(origin)}: look at each line that says so, then run: calwatch check\n\n"
    return f"{before.rstrip()}\n\n{said}" + "\n".join(lines) + f"\n\n  [model.recalibration]\n{after}"


def toml_value(value: object) -> str:
    """Text, lists and tables of texts as TOML writes them.

    >>> toml_value({"true": ["yes"], "false": ["no"]})
    '{ true = ["yes"], false = ["no"] }'
    """
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {toml_value(one)}' for key, one in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml_value, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _source(part: Part) -> list[str]:
    lines = ["  [[model.source]]"]
    lines += ['  name = "labels"', '  holds = "labels"'] if part.holds == "labels" else []
    lines += [write_line("  ", guess) for guess in part.settings]
    lines += [f"  # taken by their names: {', '.join(part.same)}"] if part.same else []
    if part.columns:
        lines += ["", _commented("    [model.source.columns]", "calwatch's name = your own")]
        lines += [write_line("    ", guess) for guess in part.columns]
    return lines


def write_line(indent: str, guess: Guess) -> str:
    """Return one setting with its reason as a comment."""
    line = f"{indent}{guess.key} = {toml_value(guess.value)}"
    return _commented(line, f"guessed: {guess.why}") if guess.why else line


def _commented(line: str, comment: str) -> str:
    return f"{line:<{_COMMENTS_FROM - 2}}  # {_clean(comment)}"


def _clean(text: str) -> str:
    """A comment of one line, whatever the values in it were."""
    return re.sub(r"[\x00-\x1f\x7f\x85\u2028\u2029]+", " ", text)
