"""Where the picture of an image can be looked at: an address with fields, which what fills them cannot lead elsewhere.

Ids come from outside. Each is percent-encoded whole, its slashes too, before it stands in the address, and an address that
would still step out of its folder (``..``) is none.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated
from urllib.parse import quote

from pydantic import AfterValidator, Field

from monitor.config.section import At, MustError
from monitor.config.toml import suggest_nearest

IMAGE = "image_id"
SAMPLE_FIELDS = ("sample_id", "group_id")  # of rows that are no boxes calwatch matches
_EXAMPLE = '"https://images.example.org/{image_id}.jpg"'
_FIELD = re.compile(r"\{([^{}]*)\}")
_HOST = r"([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"
_ORIGIN = re.compile(rf"([Hh][Tt][Tt][Pp][Ss]?)://{_HOST}(:[0-9]{{1,5}})?(?=[/?#]|$)")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_UNFIT = re.compile(r"[\s\\\"'<>`\x00-\x1f\x7f]")  # that browsers read otherwise than they are written
_DOTS = re.compile(r"(\.|%2e){1,2}", re.IGNORECASE)
_HOST_AND_CREDENTIALS = re.compile(r"[^/?#]*@")


def _image_url(value: str) -> str:
    scheme = _SCHEME.match(value)
    if scheme is None or scheme[0].lower() not in ("http:", "https:"):
        raise MustError(f"begin with https:// or http://, as what a browser can open, such as {_EXAMPLE}")
    if _HOST_AND_CREDENTIALS.match(value.partition("://")[2]):
        # what was given is not repeated: it holds a secret
        raise ValueError(
            "must hold no user name and password: they would stand on pages, in reports and in the API; serve the pictures to "
            "those who may see the page without one"
        )
    if found := _UNFIT.search(value):
        raise MustError(f"hold no {found[0]!r}: write it percent-encoded")
    if _FIELD.sub("", value).count("{") or _FIELD.sub("", value).count("}"):
        raise MustError("have its fields in single braces, such as {image_id}; a brace by itself is %7B or %7D")
    if not _ORIGIN.match(value):
        raise MustError(
            "name one host, without fields, in plain letters (xn--… of others), such as "
            "https://images.example.org/{image_id}.jpg"
        )
    if not _FIELD.search(value):
        raise MustError(f"say where the image's id belongs, {{image_id}}, such as {_EXAMPLE}")
    return value


ImageUrl = Annotated[
    str,
    AfterValidator(_image_url),
    Field(json_schema_extra={"pattern": r"^[hH][tT][tT][pP][sS]?://[^\s/?#@{}\\]+[^\s\\{}]*\{[^{}]*\}"}),
]


def list_fields(template: str) -> list[str]:
    """Return the names of its fields, in order."""
    return _FIELD.findall(template)


def origin_of(template: str) -> str:
    """Return scheme, host and port in lower case, as a Content-Security-Policy names them: nothing of it is a field."""
    found = _ORIGIN.match(template)
    assert found is not None  # nothing else is taken
    return found[0].lower()


def image_mistakes(template: str, slices: Sequence[str], *, of_boxes: bool) -> Iterator[str]:
    """Yield the fields that nothing fills, each with those that are filled, and the lack of one that tells images apart."""
    own = (IMAGE,) if of_boxes else (IMAGE, *SAMPLE_FIELDS)
    known = (*own, *slices)
    unknown = [name for name in dict.fromkeys(list_fields(template)) if name not in known]
    for name in unknown:
        near = ', did you mean "image_id"?' if name in SAMPLE_FIELDS else suggest_nearest(name, known)
        there = f"the fields are {', '.join(own)} and the slice dimensions"
        yield At(f"image_url has the unknown field {{{name}}}{near}; {there}", "image_url")
    if not unknown and not set(list_fields(template)) & set(own):
        yield At("image_url is the same for many images: it needs the field {image_id}", "image_url")


def fill_address(template: str, values: Mapping[str, str | None]) -> str | None:
    """Return the address with each field filled; None where a value is missing or empty, or where what is filled in makes the
    path step out of its folder.

    >>> fill_address("https://x.org/{camera}/{image_id}.jpg", {"image_id": 'a"b/c', "camera": "c 3"})
    'https://x.org/c%203/a%22b%2Fc.jpg'
    """
    if not all(values.get(name) for name in list_fields(template)):
        return None
    try:
        filled = _FIELD.sub(lambda field: quote(values[field[1]] or "", safe=""), template)
    except UnicodeEncodeError:
        return None
    path = re.split(r"[?#]", filled[len(origin_of(template)) :], maxsplit=1)[0]
    return None if any(_DOTS.fullmatch(part) for part in path.split("/")) else filled
