"""Usual names of the positive and of the negative class."""

import re

from monitor.guess.columns import plain, words

_BAD = {
    "defect", "defects", "defective", "fail", "failed", "failure", "fault", "faulty", "bad", "positive", "pos", "anomaly",
    "anomalous", "abnormal", "ng", "nok", "nio", "reject", "rejected", "damaged", "damage", "broken", "sick", "malignant",
    "disease", "yes", "y", "true", "present", "defekt", "schlecht", "fehler", "ja",
}  # fmt: skip
_GOOD = {
    "ok", "okay", "good", "pass", "passed", "normal", "negative", "neg", "healthy", "benign", "clean", "io", "absent", "false",
    "accept", "accepted", "gut", "nein", "n",
}  # fmt: skip
_NOT = {"no", "non", "not", "without", "free", "kein", "nicht"}


def sign_of(name: str) -> int:
    """1 for a usual name of the positive class, −1 of the negative one, 0 for neither; "not ok" and "defect-free" turn it."""
    found = words(re.sub(r"\.", " ", name))
    if plain(name) in _BAD | _GOOD:
        return 1 if plain(name) in _BAD else -1
    if not found:
        return 0
    turned = -1 if _NOT & set(found) else 1
    if _BAD & set(found):
        return turned
    return -turned if _GOOD & set(found) else -1 if found == ["no"] else 0
