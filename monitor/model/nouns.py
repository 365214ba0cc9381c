"""What the groups of a model's samples are called, and how counts of both are said: ``57 images (1,204 samples)``."""

import re
from collections.abc import Mapping

GROUP = "group"  # what they are called where nobody says
NOUN = r"^[A-Za-z][A-Za-z0-9-]*( [A-Za-z0-9-]+)*$"  # one word or few
_UNLIKE: Mapping[str, str] = {  # whose plurals follow no rule
    "child": "children", "man": "men", "woman": "women", "person": "people", "tooth": "teeth", "foot": "feet",
    "mouse": "mice", "leaf": "leaves", "half": "halves", "life": "lives", "knife": "knives", "quiz": "quizzes",
    "movie": "movies", "series": "series", "species": "species", "fish": "fish", "sheep": "sheep",
}  # fmt: skip
_ONE_OF_S = ("lens", "gas", "canvas", "atlas", "alias", "bias", "news", "chaos")  # singular, though they look otherwise
# what a group must not be called: the members that are counted beside it
_MEMBERS = ("sample", "label", "prediction", "row")


def make_plural(noun: str) -> str:
    """Return the plural of an English noun: of its last word where it has several.

    >>> [make_plural(each) for each in ("image", "study", "box", "CT scan", "tooth", "series", "analysis", "day")]
    ['images', 'studies', 'boxes', 'CT scans', 'teeth', 'series', 'analyses', 'days']
    """
    before, gap, last = noun.rpartition(" ")
    word = last.lower()
    if word in _UNLIKE:
        many = _UNLIKE[word]
        return f"{before}{gap}{last[:1] if many[:1] == word[:1] else many[:1]}{many[1:]}"
    if word.endswith(("sis", "xis")):
        return f"{noun[:-2]}es"
    if word.endswith("y") and word[-2:-1] not in ("a", "e", "i", "o", "u", ""):
        return f"{noun[:-1]}ies"
    return f"{noun}es" if word.endswith(("s", "x", "z", "ch", "sh")) else f"{noun}s"


def find_singular(noun: str) -> str | None:
    """Return the singular of what looks like a plural; None for a singular.

    >>> [find_singular(each) for each in ("images", "studies", "boxes", "people", "lens", "bus", "class", "series")]
    ['image', 'study', 'box', 'person', None, None, None, None]
    """
    before, gap, last = noun.rpartition(" ")
    word = last.lower()
    for one, many in _UNLIKE.items():
        if word == many and one != many:
            return f"{before}{gap}{one}"
    if word in _UNLIKE or word in _ONE_OF_S or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return None
    guesses = [f"{noun[:-3]}y"] if word.endswith("ies") else []
    guesses += [noun[:-2]] if word.endswith(("sses", "xes", "ches", "shes")) else []
    return next((one for one in (*guesses, noun[:-1]) if make_plural(one) == noun), noun[:-1])


def find_flaw(noun: str) -> str | None:
    """Return what is wrong with a name for groups, as what it must be; None where nothing is.

    >>> find_flaw("images"), find_flaw("sample"), find_flaw("CT scan")
    ('be singular: "image"', 'be what samples come in, not the samples: such as "image", "clip" or "patient"', None)
    """
    if not re.fullmatch(NOUN, noun):
        return 'be a short word for one group, such as "image", "clip" or "patient"'
    singular = find_singular(noun)
    if (singular or noun).lower() in _MEMBERS:
        return 'be what samples come in, not the samples: such as "image", "clip" or "patient"'
    return None if singular is None else f'be singular: "{singular}"'


def quantity(count: int, noun: str = "sample") -> str:
    """``1 sample``, ``1,204 samples``."""
    return f"{count:,} {noun if count == 1 else make_plural(noun)}"


def count_samples(samples: int, groups: int | None = None, noun: str | None = None, kind: str = "sample") -> str:
    """How many samples, and first how many groups they come in; ``groups`` None: in none. No sample is said without groups:
    there may be images in which a detector finds nothing.

    >>> count_samples(1204), count_samples(1204, 57, "image"), count_samples(1, 1, "study", "labelled sample")
    ('1,204 samples', '57 images (1,204 samples)', '1 study (1 labelled sample)')
    """
    members = quantity(samples, kind)
    return members if groups is None or not samples else f"{quantity(groups, noun or GROUP)} ({members})"


def number_samples(samples: int, groups: int | None = None, noun: str | None = None) -> str:
    """The number alone where samples are independent, for sentences that say what is counted.

    >>> number_samples(1204), number_samples(1204, 57, "image")
    ('1,204', '57 images, 1,204 samples')
    """
    return f"{samples:,}" if groups is None or not samples else list_samples(samples, groups, noun)


def put_in_groups(samples: int, groups: int | None = None, noun: str | None = None) -> str:
    """The number, and the groups behind it: for cells of tables whose heads say what is counted.

    >>> put_in_groups(1204), put_in_groups(1204, 57, "image")
    ('1,204', '1,204 in 57 images')
    """
    return f"{samples:,}" if groups is None or not samples else f"{samples:,} in {quantity(groups, noun or GROUP)}"


def list_samples(samples: int, groups: int | None = None, noun: str | None = None, kind: str = "sample") -> str:
    """The same to stand in parentheses: ``57 images, 1,204 samples``."""
    members = quantity(samples, kind)
    return members if groups is None or not samples else f"{quantity(groups, noun or GROUP)}, {members}"
