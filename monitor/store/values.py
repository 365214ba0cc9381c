"""Values as people write them, as SQL expressions: texts that mean the same become equal, and outcomes are understood.

3, 3.0, " 3 " and DOUBLE 3      one label, id or slice value: "3". "1.10" stays what it is, and is not "1.1"
0, 1, 0.0, "True", " false "    outcomes; −1 is told apart, what it means is decided for a whole source
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from monitor.config.settings import Model
from monitor.config.sources import MISSING_LABELS, Outcomes
from monitor.config.sources import SourceSettings as SourceConfig
from monitor.model import Task
from monitor.store.connection import quote_name, quote_text

MISSING_WORDS = tuple(word.lower() for word in MISSING_LABELS)
BLANKS = " \t\n\x0b\x0c\r\u00a0\u2007\u202f\u3000\u200b\ufeff"  # of programs, typography and East Asian keyboards
_INTEGER = re.compile("U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)")
_LARGEST_EXACT = 1 << 53  # whole numbers up to here are exact in a DOUBLE
# bytes: what is longer is cut before anything else looks at it, since an expression holds 2,048 rows of it at a time
ENORMOUS = 4_000


def is_integer_type(kind: str) -> bool:
    """Whether a column of this SQL type holds whole numbers."""
    return _INTEGER.fullmatch(kind) is not None


def is_enormous(text: str) -> str:
    """SQL: whether a text (SQL) is to be cut before anything else looks at it; not what blanks around it may make long."""
    return f"strlen({text}) > {ENORMOUS} AND {text}[-1] > ' ' AND {text}[1] > ' '"


def cut_enormous(text: str) -> str:
    """SQL: a text (SQL) of at most some thousand characters, which is too long to be taken wherever it was cut."""
    return f"(CASE WHEN {is_enormous(text)} THEN left({text}, {ENORMOUS}) || '…' ELSE {text} END)"


def plain_text(column: str, kind: str) -> str:
    """A column (SQL, of the type ``kind``) as text: no blanks around it, whole numbers alike; NULL where it says nothing."""
    if is_integer_type(kind) or kind == "BOOLEAN":
        return f"{column}::VARCHAR"
    if kind in ("DOUBLE", "FLOAT"):
        whole = f"{column} = floor({column}) AND abs({column}) < {_LARGEST_EXACT}"
        return f"CASE WHEN isnan({column}) THEN NULL WHEN {whole} THEN ({column}::BIGINT)::VARCHAR ELSE {column}::VARCHAR END"
    if kind.startswith("DECIMAL"):
        text = f"{column}::VARCHAR"
        return f"CASE WHEN contains({text}, '.') THEN rtrim(rtrim({text}, '0'), '.') ELSE {text} END"
    return normalized_text(column if kind == "VARCHAR" else f"({column}::VARCHAR)")


def normalized_text(text: str) -> str:
    """The same for an SQL expression that is text: ``" 12.0 "`` → ``12``, ``"1.10"`` stays, ``""`` → NULL."""
    bare = f"trim({text}, {quote_text(BLANKS)})"
    # nearly all values are as they should be: comparisons that cost little send only the others through the rest
    last = f"{text}[-1]"
    odd = f"{text} < '!' OR {text} >= chr(160) OR contains({text}, '.') OR {last} <= ' ' OR {last} >= chr(160)"
    return (
        f"CASE WHEN {odd} THEN CASE WHEN {bare} = '' THEN NULL WHEN suffix({bare}, '0') AND contains({bare}, '.') "
        f"AND regexp_full_match({bare}, '-?[0-9]+\\.0+') THEN split_part({bare}, '.', 1) ELSE {bare} END ELSE {text} END"
    )


@dataclass(frozen=True, slots=True)
class LabelRules:
    """How outcomes and labels of one source are understood.

    ``true`` and ``false`` are words, in lower case; so is ``missing``; ``classes`` are words that name a class, exactly.
    """

    task: Task
    positive: str | None = None
    true: tuple[str, ...] = ()
    false: tuple[str, ...] = ()
    missing: tuple[str, ...] = MISSING_WORDS
    classes: frozenset[str] = field(default_factory=frozenset)
    own_missing: bool = False  # the source names its missing words itself: they are missing whatever is predicted

    @classmethod
    def of(cls, model: Model, meaning: SourceConfig, class_words: Iterable[str]) -> "LabelRules":
        """``class_words``: classes that were predicted under a name that else means "not labelled yet"."""
        outcomes = meaning.outcomes or Outcomes()
        own = meaning.missing_labels
        positive = normalize_word(model.positive) if model.positive is not None else None
        named = {*map(normalize_word, model.classes), *class_words, *([positive] if positive is not None else [])}
        return cls(
            model.task, positive, _lowered(outcomes.true), _lowered(outcomes.false),
            MISSING_WORDS if own is None else tuple(word for word in _lowered(own) if word),
            frozenset(named if own is None else ()), own is not None,
        )  # fmt: skip

    def with_classes(self, words: Iterable[str]) -> "LabelRules":
        """The same with these words as names of classes too."""
        return replace(self, classes=self.classes | set(words))

    @property
    def from_names(self) -> bool:
        """Whether the outcome is that the label names the predicted class."""
        return self.task is not Task.BINARY

    def missing_sql(self, label: str) -> str:
        """Whether a label (SQL, plain text) means "not labelled yet"; NULL where it is NULL."""
        words = [word for word in self.missing if word not in self.true and word not in self.false]
        said = f"lower({label}) IN ({_listed(words)})" if words else f"CASE WHEN {label} IS NOT NULL THEN false END"
        known = [word for word in self.classes if word.lower() in words]
        return f"({said} AND {label} NOT IN ({_listed(sorted(known))}))" if known else f"({said})"

    def outcome_sql(self, text: str) -> str:
        """0, 1, −1 as it is written, or NULL for all else, of an outcome as plain text."""
        cases = [f"WHEN lower({text}) IN ({_listed(words)}) THEN {value}" for words, value in
                 ((self.true, 1), (self.false, 0)) if words]  # fmt: skip
        return (
            f"CASE {' '.join(cases)} WHEN {text} = '0' THEN 0 WHEN {text} = '1' THEN 1 WHEN lower({text}) = 'false' THEN 0 "
            f"WHEN lower({text}) = 'true' THEN 1 ELSE CASE TRY_CAST({text} AS DOUBLE) WHEN 0 THEN 0 WHEN 1 THEN 1 "
            "WHEN -1 THEN -1 END END"
        )

    def label_sql(self, label: str, predicted: str) -> str:
        """The outcome that follows from a label (plain text), beside a predicted class: 0, 1, −1 as written, or NULL."""
        if self.from_names:
            outcome = f"({label} = {predicted})::INTEGER"
        elif self.positive is not None:
            words = f"WHEN lower({label}) IN ({_listed(self.true)}) THEN 1 " if self.true else ""
            others = f"CASE WHEN lower({label}) IN ({_listed(self.false)}) THEN 0 END" if self.false else "0"
            outcome = f"CASE WHEN {self._positive_sql(label)} THEN 1 {words}ELSE {others} END"
        else:
            outcome = self.outcome_sql(label)
        return f"CASE WHEN {label} IS NOT NULL AND NOT {self.missing_sql(label)} THEN {outcome} END"

    def _positive_sql(self, label: str) -> str:
        """Whether a label is ``positive``, in any case, unless another class differs from it by case alone."""
        assert self.positive is not None
        alike = {word for word in self.classes if word.lower() == self.positive.lower()}
        if alike <= {self.positive}:
            return f"lower({label}) = lower({quote_text(self.positive)})"
        return f"{label} = {quote_text(self.positive)}"


def outcome_expression(rules: LabelRules, kind: str, text: str) -> tuple[str, str]:
    """Return SQL: whether the column ``outcome`` of this type says anything; and SQL: 0, 1, −1 as written, or NULL.

    ``text``: the same as plain text (SQL).
    """
    column = quote_name("outcome")
    if kind == "BOOLEAN" and not (rules.true or rules.false):
        return f"{column} IS NOT NULL", f"{column}::INTEGER"
    if not (rules.true or rules.false or rules.own_missing) and (is_integer_type(kind) or kind in ("DOUBLE", "FLOAT")):
        says = f"{column} IS NOT NULL" if is_integer_type(kind) else f"{column} IS NOT NULL AND NOT isnan({column})"
        return says, f"CASE {column} WHEN 0 THEN 0 WHEN 1 THEN 1 WHEN -1 THEN -1 END"
    # a class may be called "none"; an outcome that says so is none
    nameless = LabelRules(rules.task, None, rules.true, rules.false, rules.missing)
    return f"coalesce(NOT {nameless.missing_sql(text)}, false)", rules.outcome_sql(text)


def normalize_word(word: str) -> str:
    """Return what ``normalized_text`` makes of it: ``" 3.0 "`` → ``3``."""
    bare = word.strip(BLANKS)
    head, dot, tail = bare.partition(".")
    whole = (
        dot and tail and set(tail) == {"0"} and head.removeprefix("-").isascii() and head.removeprefix("-").isdigit()
    )
    return head if whole else bare


def _lowered(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(normalize_word(word).lower() for word in words)


def _listed(words: Iterable[str]) -> str:
    return ", ".join(quote_text(word) for word in words)
