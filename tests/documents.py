"""The documents that stand beside the code: where they are, what they say, and the blocks of code in them."""

import re
from pathlib import Path

from monitor.cli.docs import DOCUMENTS

ROOT = Path(__file__).parents[1]
PATHS = tuple(DOCUMENTS.values())
TEXT = "\n".join((ROOT / path).read_text("utf-8") for path in PATHS)
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def read_document(topic: str) -> str:
    """The Markdown of one document of ``calwatch docs``."""
    return (ROOT / DOCUMENTS[topic]).read_text("utf-8")


def read_chapter(topic: str, heading: str) -> str:
    """What a document says below a heading, such as ``## Groups``, up to the next one of its level; never nothing."""
    text = read_document(topic).partition(f"\n{heading}\n")[2]
    assert text, f"{DOCUMENTS[topic]} has no chapter {heading!r}"
    level = heading.partition(" ")[0]
    return text.partition(f"\n{level} ")[0]


def find_blocks(language: str, text: str = TEXT) -> list[str]:
    """The fenced blocks of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def find_generated(name: str, text: str = TEXT) -> str:
    """What stands between the two marks of a part that the code writes."""
    (found,) = re.findall(rf"^<!-- {name}: [^\n]* -->\n(.*?)^<!-- end of {name} -->$", text, re.MULTILINE | re.DOTALL)
    return str(found)


def write_generated(topic: str, name: str, part: str) -> None:
    """Put a part anew between its marks in a document."""
    path, text = ROOT / DOCUMENTS[topic], read_document(topic)
    path.write_text(text.replace(find_generated(name, text), part), "utf-8")
