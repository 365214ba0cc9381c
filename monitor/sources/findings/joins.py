"""Ids of two sides that should meet and do not: how many do, and in what the others differ, where that can be seen.

Each step below writes an id more plainly: without leading zeros, without the path in front. Steps are applied to both
sides, in chains from the harmless to the bold, and the first chain under which enough labels find a prediction is cut
down to the steps that it needed. A chain under which many ids become one is no explanation, and is passed over.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from os.path import commonprefix
from statistics import median
from urllib.parse import unquote

from monitor.model.wording import quantity, quote_names, span
from monitor.sources.remedies import describe_lateness

COMPARED_LABELS = 2_000  # ids that find nothing, compared for a guess; spread evenly over those given
COMPARED_PREDICTIONS = 50_000
_LEAST, _LEAST_SHARE = 3, 0.02  # labels that a harmless chain must bring together; a bold one half of them
_ALONE = 0.9  # of the ids brought together that must stay apart from each other

Step = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Compared:
    """What came of comparing. ``labels`` of them ``found`` a prediction; examples are of ids that found no partner."""

    labels: int
    found: int
    predictions: int
    label_examples: tuple[str, ...] = ()
    prediction_examples: tuple[str, ...] = ()
    guess: str = ""  # why the others find none, as a sentence without its stop; "" = nothing can be seen

    @property
    def share(self) -> float | None:
        """Of the labels that found a prediction; None without labels."""
        return self.found / self.labels if self.labels else None

    @property
    def sentence(self) -> str:
        """How many find a prediction, with examples and the guess, as a sentence without its stop."""
        said = f"of {quantity(self.labels, 'label')} tried {self.found or 'none':{',' if self.found else ''}}"
        said += f" {'find' if self.found > 1 else 'finds'} a prediction among the {self.predictions:,} tried"
        if self.label_examples and self.prediction_examples:
            said += f": labels of {quote_names(self.label_examples)}, predictions of {quote_names(self.prediction_examples)}"
        return f"{said}; {self.guess}" if self.guess else said


def compare_ids(label_ids: Sequence[str], prediction_ids: Sequence[str], group_ids: Sequence[str] = ()) -> Compared:
    """How many of the labels find a prediction of their id, and a guess what keeps the others from it.

    ``group_ids``: those of the predictions, where they have any. Ids may repeat; each label counts.
    """
    predictions = dict.fromkeys(prediction_ids)
    lonely = [each for each in label_ids if each not in predictions]
    named = set(label_ids)
    free = [each for each in predictions if each not in named]
    return Compared(
        len(label_ids), len(label_ids) - len(lonely), len(prediction_ids), tuple(dict.fromkeys(lonely))[:2], tuple(free[:2]),
        guess_difference(lonely, free or list(predictions), group_ids),
    )  # fmt: skip


def guess_difference(
    label_ids: Sequence[str], prediction_ids: Sequence[str], group_ids: Sequence[str] = (), *, bold: bool = True
) -> str:
    """In what the ids that do not meet differ, as a sentence without its stop; "" where nothing can be seen.

    Without ``bold`` only by what hardly brings ids together that mean different things: not by their parts.
    """
    known = dict.fromkeys(prediction_ids)
    predictions = list(known)[:COMPARED_PREDICTIONS]
    lonely = [each for each in dict.fromkeys(label_ids) if each not in known]
    compared = min(len(lonely), COMPARED_LABELS)
    labels = [lonely[index * len(lonely) // compared] for index in range(compared)]
    if not labels:
        return ""
    groups = set(group_ids)
    grouped = sum(each in groups for each in labels)
    if grouped >= _needed(labels, bold=False):
        return f"{_how_many(grouped, labels)} of groups (group_id): sample_id must name the prediction, not its group"
    own, others = _Side.of(labels), _Side.of(predictions)
    chains = [names for names in _CHAINS if bold or not set(names) & set(_BOLD)]
    found = next(filter(None, (_under(names, own, others) for names in chains)), "")
    return found or (_parts(own, others) if bold else "")


def guess_times(waits: Sequence[tuple[datetime | None, datetime | None, datetime]], horizon: timedelta) -> str:
    """Why labels wait though a prediction of their id is there, as a sentence without its stop; "" without any.

    Of each such label: labelled_at (None: when it came), the observed_at it names (None: none), and when its
    prediction was observed. A label joins a prediction of the time it names, from before it and within ``horizon``.
    """
    named = [(said, at) for _, said, at in waits if said is not None and said != at]
    early = [
        at - labelled for labelled, said, at in waits if said in (None, at) and labelled is not None and labelled < at
    ]
    late = [
        (labelled - at).total_seconds()
        for labelled, said, at in waits if labelled is not None and said in (None, at) and labelled - at > horizon
    ]  # fmt: skip
    most = max(len(named), len(early), len(late))
    if not most:
        return ""
    head = f"{most:,} of them name{'s' if most == 1 else ''} a prediction that is there, but "
    if most == len(named):
        said, at = named[0]
        return (
            f"{head}another observed_at: {said:%Y-%m-%d %H:%M:%S.%f} in the label, {at:%Y-%m-%d %H:%M:%S.%f} in the "
            "prediction; leave observed_at out of the labels, or write it alike"
        )
    if most == len(early):
        longest = span(max(early))
        return f"{head}one observed after the label, by up to {longest}: is time_zone right on both sides?"
    return (
        f"{head}one observed longer before the label than label_horizon: "
        f"{describe_lateness([(median(late), max(late), len(late))], horizon)}"
    )


_BLANKS = re.compile(r"[\s\u200b\u200c\u200d\u2060\ufeff\x00]+")
_QUOTES = re.compile("[\"'`]+")
_NUMBER = re.compile(r"[+-]?\d{1,40}(\.\d*)?([eE][+-]?\d{1,2})?")
_ZEROS = re.compile(r"(?<!\d)0+(?=\d)")
_ENDING = re.compile(r"(?<=.)(\.[A-Za-z][A-Za-z0-9]{0,4})+$")
_MARKS = re.compile(r"[^0-9A-Za-z\u0080-\U0010ffff]+")
_BORDERS = re.compile(r"(?<=[A-Za-z])(?=[0-9])|(?<=[0-9])(?=[A-Za-z])|[^0-9A-Za-z]")


def _number(text: str) -> str:
    """``7`` of 7.0, +7 and 7e0; other texts as they are."""
    if text.isdecimal() or not _NUMBER.fullmatch(text):
        return text
    value = Decimal(text)
    return f"{value:.0f}" if value == value.to_integral_value() else text


_STEPS: Mapping[str, tuple[str, Step]] = {
    "unicode": ("letters in other Unicode forms", lambda text: unicodedata.normalize("NFC", text)),
    "blanks": ("blanks", lambda text: _BLANKS.sub("", text)),
    "quotes": ("quotes", lambda text: _QUOTES.sub("", text)),
    "escapes": ("escapes such as %20", lambda text: _BLANKS.sub("", unquote(text)) if "%" in text else text),
    "case": ("upper and lower case", str.casefold),
    "number": ("numbers written in another way", _number),
    "zeros": ("leading zeros", lambda text: _ZEROS.sub("", text)),
    "path": ("the path in front", lambda text: text.replace("\\", "/").rstrip("/").rpartition("/")[2]),
    "ending": ("the file ending", lambda text: _ENDING.sub("", text)),
    "marks": ("the marks between parts", lambda text: _MARKS.sub("", text)),
}  # fmt: skip
_BASE = ("unicode", "blanks", "quotes", "escapes")  # what every chain begins with
_CHAINS: Sequence[Sequence[str]] = (
    ("case", "number", "zeros"),
    ("ending", "case", "number", "zeros"),
    ("path", "ending", "case", "number", "zeros"),
    ("case", "marks"),
    ("path", "ending", "case", "zeros", "marks"),
    ("common", "case", "number", "zeros"),
    ("path", "ending", "common", "case", "number", "zeros"),
)
_BOLD = ("common", "marks")
_KEYS = ("case", "zeros")  # how parts of ids are compared
_CUTS = 8  # borders of an id at which it is taken apart


def _written(text: str, names: Sequence[str], common: tuple[str, str] = ("", "")) -> str:
    front, back = common
    for name in names:
        text = text.removeprefix(front).removesuffix(back) if name == "common" else _STEPS[name][1](text)
    return text


@dataclass(frozen=True, slots=True)
class _Side:
    """Ids as they are, and as every chain first writes them."""

    ids: Sequence[str]
    plain: Sequence[str]

    @classmethod
    def of(cls, ids: Sequence[str]) -> "_Side":
        return cls(ids, [_written(each, _BASE) for each in ids])

    def rewrite_ids(self, names: Sequence[str]) -> tuple[Sequence[str], tuple[str, str]]:
        """The ids under a chain, and what all of them began and ended with, where the chain takes that off."""
        if "common" not in names:
            return [_written(each, names) for each in self.plain], ("", "")
        before = names.index("common")
        there = [_written(each, names[:before]) for each in self.plain]
        common = _common(there)
        return [_written(each, names[before:], common) for each in there], common


def _under(names: Sequence[str], labels: _Side, predictions: _Side) -> str:
    """What is said where labels find predictions when both are written so; "" where too few do, or too many at once."""
    own, common_own = labels.rewrite_ids(names)
    others, common_others = predictions.rewrite_ids(names)
    held: dict[str, list[str]] = {}
    for key, each in zip(others, predictions.ids, strict=True):
        held.setdefault(key, []).append(each)
    pairs = [(each, held[key]) for key, each in zip(own, labels.ids, strict=True) if key and key in held]
    if not _explain(pairs, labels.ids, bold=any(name in _BOLD for name in names)):
        return ""
    needed = [*_BASE, *names]
    for name in (*_BASE, *names):
        fewer = [each for each in needed if each != name]
        if all(_written(a, fewer, common_own) == _written(b[0], fewer, common_others) for a, b in pairs):
            needed = fewer
    what = [_common_told(common_own, common_others) if name == "common" else _STEPS[name][0] for name in needed]
    label, (prediction, *_) = pairs[0]
    return f"{_how_many(len(pairs), labels.ids)} of predictions but for {_listed(what)}: {_pair(label, prediction)}"


def _parts(labels: _Side, predictions: _Side) -> str:
    """Where the one id is a part of the other: a beginning or an end that differs from id to id."""
    for wide, narrow, label_is_wide in ((predictions, labels, False), (labels, predictions, True)):
        known = {_written(plain, _KEYS): each for plain, each in zip(narrow.plain, narrow.ids, strict=True)}
        for front in (False, True):
            met: dict[str, list[str]] = {}
            for plain, each in zip(wide.plain, wide.ids, strict=True):
                keys = (_written(part, _KEYS) for part in _cuts(plain, front=front))
                key = next((key for key in keys if key in known), None)
                if key is not None:
                    met.setdefault(known[key], []).append(each)
            said = _parts_told(met, labels.ids, label_is_wide=label_is_wide, front=front)
            if said:
                return said
    return ""


def _parts_told(met: Mapping[str, Sequence[str]], labels: Sequence[str], *, label_is_wide: bool, front: bool) -> str:
    """``met``: the shorter ids, with the longer ones that each is a part of."""
    some = sum(map(len, met.values())) if label_is_wide else len(met)
    several = sum(len(each) > 1 for each in met.values()) > len(met) / 2
    if some < _needed(labels, bold=True) or (several and label_is_wide):
        return ""
    short, longer = next(iter(met.items()))
    if several:
        return (
            f"{_how_many(some, labels, a_part=True)} of several predictions': {quote_names([short])} of "
            f"{quote_names(longer[:2])}; sample_id must name one prediction, such as a box, not what holds them all, such as "
            "the image"
        )
    label, prediction = (longer[0], short) if label_is_wide else (short, longer[0])
    what = "what stands behind" if front else "what stands in front"
    return f"{_how_many(some, labels)} of predictions but for {what}: {_pair(label, prediction)}"


def _cuts(text: str, *, front: bool) -> Iterator[str]:
    """The beginnings, or ends, of an id at the borders of its words and numbers, the longest first."""
    borders = [match.start() for match in _BORDERS.finditer(text)][:_CUTS]
    for border in borders[::-1] if front else borders:
        part = text[:border] if front else text[border:].lstrip("-_ .:/\\#|@=")
        if any(map(str.isalnum, part)):
            yield part


def _common(ids: Sequence[str]) -> tuple[str, str]:
    """What all ids begin and end with, not cutting a number or word in two; nothing of a single id."""
    if len(ids) < 2:
        return "", ""
    front = commonprefix(ids)  # noqa: RUF071  # letter by letter
    back = commonprefix([each[len(front) :][::-1] for each in ids])[::-1]  # noqa: RUF071  # the same
    while front and any(_same_run(front[-1], each[len(front) : len(front) + 1]) for each in ids):
        front = front[:-1]
    while back and any(_same_run(each[len(front) : len(each) - len(back)][-1:], back[0]) for each in ids):
        back = back[1:]
    return front, back


def _same_run(left: str, right: str) -> bool:
    return (left.isdigit() and right.isdigit()) or (left.isalpha() and right.isalpha())


def _common_told(*sides: tuple[str, str]) -> str:
    told = [
        f"{quote_names([part])} {place} of {side}"
        for side, ends in zip(("labels", "predictions"), sides, strict=True)
        for part, place in zip(ends, ("in front", "at the end"), strict=True)
        if part
    ]
    return _listed(told)


def _explain(pairs: Sequence[tuple[str, Sequence[str]]], labels: Sequence[str], *, bold: bool) -> bool:
    """Whether enough meet, and hardly two on the same."""
    if len(pairs) < _needed(labels, bold=bold):
        return False
    met = {each for _, some in pairs for each in some}
    apart = len({some[0] for _, some in pairs})
    return apart >= _ALONE * max(len(pairs), len(met))


def _needed(labels: Sequence[str], *, bold: bool) -> int:
    least = min(_LEAST, len(labels))
    return max(least, int((0.5 if bold else _LEAST_SHARE) * len(labels)))


def _how_many(some: int, labels: Sequence[str], *, a_part: bool = False) -> str:
    who = (
        "the one id"
        if len(labels) == 1
        else f"{'all' if some == len(labels) else f'{some:,}'} of the {len(labels):,} ids"
    )
    are = "is" if some == 1 else "are"
    return f"{who} compared {are} {'a part' if a_part else 'that' if some == 1 else 'those'}"


def _pair(label: str, prediction: str) -> str:
    return f"label {quote_names([label])}, prediction {quote_names([prediction])}"


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
