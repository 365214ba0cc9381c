"""How long texts from outside may be, in characters: what is longer goes to quarantine, or ends in its hash.

    ids (sample_id, group_id)           500, beyond: quarantine
    classes (predicted_class, label)    120, beyond: quarantine
    versions, calibrators               120, beyond: the first 111, "…" and eight digits of their hash, so that two long
                                        paths to two models stay two versions
    slice values                        as versions, with the first 120 (store/dictionaries.py)
    what quarantine keeps of a row      300 of each value, 4,000 of all

Lengths are asked of bytes first: a text of few bytes has no more characters, and nearly all are short.
"""

from monitor.store.connection import quote_name
from monitor.store.dictionaries import LONGEST_SLICE_VALUE
from monitor.store.values import is_enormous

LONGEST_ID = 500
LONGEST_CLASS = 120
LONGEST_VERSION = 120
KEPT_VALUE, KEPT_RECORD = 300, 4_000
_HASH = 8


def is_longer(text: str, most: int) -> str:
    """SQL: whether a text (SQL) has more than ``most`` characters; false where it is NULL."""
    return f"coalesce(strlen({text}) > {most} AND length({text}) > {most}, false)"


def cut_slice_value(text: str) -> str:
    """SQL: a slice value (SQL, text), in the form that ``dictionaries.plain_value`` gives it where it is enormous."""
    kept = f"left({text}, {LONGEST_SLICE_VALUE}) || '…' || left(sha256({text}), {_HASH})"
    return f"CASE WHEN {is_enormous(text)} THEN {kept} ELSE {text} END"


def cut_version(text: str) -> str:
    """SQL: a version or calibrator (SQL, text) as it is kept; what was cut differs where the whole does."""
    kept = f"left({text}, {LONGEST_VERSION - 1 - _HASH}) || '…' || left(sha256({text}), {_HASH})"
    return f"CASE WHEN {is_longer(text, LONGEST_VERSION)} THEN {kept} ELSE {text} END"


def kept_value(name: str, of: str = "") -> str:
    """SQL: the beginning of a column's value, as text, for quarantine; ``of``: the struct that has it, with its dot."""
    text = f"{of}{quote_name(name)}::VARCHAR"
    return f"CASE WHEN {is_longer(text, KEPT_VALUE)} THEN left({text}, {KEPT_VALUE}) || '…' ELSE {text} END"
