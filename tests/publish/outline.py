"""Reads a page as a strict reader would: every tag closed in order, links and rows collected."""

from html.parser import HTMLParser

VOID = {"meta", "link", "wbr", "br", "img", "source", "input"}


class Outline(HTMLParser):
    """Collects tags, attributes, links and the texts of row headers; fails on tags that are not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.rows: list[str] = []
        self.in_row = False

    @classmethod
    def of(cls, part: str) -> "Outline":
        """A part of a page, whose tags need not all be closed."""
        parsed = cls()
        parsed.open = ["html", "body", "main", "div", "table", "tbody"]
        parsed.feed(part)
        return parsed

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.attributes += attrs
        if tag == "th" and ("scope", "row") in attrs:
            self.rows.append("")
            self.in_row = True
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.in_row = self.in_row and tag != "th"

    def handle_data(self, data: str) -> None:
        if self.in_row:
            self.rows[-1] += data.strip()

    @property
    def links(self) -> list[str]:
        return [value for name, value in self.attributes if name == "href" and value]

    @property
    def loaded(self) -> list[str]:
        """What a browser fetches by itself."""
        return [value for name, value in self.attributes if name in ("src", "srcset") and value]


def outline(html: str) -> Outline:
    """The page, read to its end."""
    parsed = Outline()
    parsed.feed(html)
    assert parsed.open == []
    return parsed
