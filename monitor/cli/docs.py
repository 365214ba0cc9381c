"""``calwatch docs``: the documents that stand beside the code, and come with it, on a terminal or as plain text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata, resources
from pathlib import Path
from posixpath import dirname, join, normpath
from typing import Annotated

import typer

from monitor.cli import output as console
from monitor.config.toml import suggest_nearest
from monitor.model.errors import UsageError

# topic → where it stands in the repository
DOCUMENTS = {
    "readme": "README.md",
    "house": "monitor/README.md",
    "cli": "monitor/cli/README.md",
    "sources": "monitor/sources/README.md",
    "statistics": "monitor/statistics/README.md",
    "rules": "rules/README.md",
    "recalibration": "monitor/recalibration/README.md",
    "actions": "monitor/jobs/actions/README.md",
    "store": "monitor/store/README.md",
    "publish": "monitor/publish/README.md",
}
DEPLOY = "deploy/README.md"
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^(#{1,3}) (.+)$", re.MULTILINE)
_LINK = re.compile(r"(?<!!)\[([^]]+)\]\(([^)\s]+)\)")
_LEFT_OUT = re.compile(
    r"^(?:!\[[^]]*\]\([^)]*\)|<!--.*?-->)\n", re.MULTILINE
)  # pictures, and marks for those who write


@dataclass(frozen=True, slots=True)
class Chapter:
    """A heading of a document with what stands below it. ``level`` 1 is the document's title; ``anchor`` is the one that
    GitHub gives it."""

    topic: str
    level: int
    title: str
    anchor: str
    text: str


def docs(
    topic: Annotated[str, typer.Argument(help="a document or one of its chapters; none: list them")] = "",
    config: Annotated[Path, typer.Option("--config", help="not read: the documents are the same for every one")] = Path(
        "calwatch.toml"
    ),
) -> None:
    """Show the documents: what goes in, what is measured, every key of the configuration."""
    if not topic:
        console.print_line(list_topics())
    elif topic.lower() == "deploy":
        console.print_line(say_where_deploy_is())
    else:
        console.print_markdown(find_chapter(topic))


def list_topics() -> str:
    """Return the documents with their titles and the anchors of their chapters, a line of text each."""
    lines = ["calwatch docs TOPIC shows a document, or one chapter of it:", ""]
    for topic in DOCUMENTS:
        own = [chapter for chapter in read_chapters() if chapter.topic == topic]
        lines += [f"{topic}: {chapter.title}" for chapter in own if chapter.level == 1]
        lines += [f"    {chapter.anchor}" for chapter in own if chapter.level > 1]
    return "\n".join([*lines, f"deploy: {say_where_deploy_is()}"])


def say_where_deploy_is() -> str:
    """Return a sentence on where the document about deploying stands: it is no part of the package."""
    path = _repository() / DEPLOY
    return (
        str(path) if path.exists() else f"systemd, containers, Prometheus, Grafana: {DEPLOY} in calwatch's repository"
    )


def find_chapter(topic: str) -> str:
    """Return the Markdown of a document, of the chapter with that anchor, or of the only one whose anchor contains it.

    Raises UsageError where there is none, or several.
    """
    asked, chapters = anchor_of(topic.removeprefix("#")), read_chapters()
    if asked in DOCUMENTS:
        return next(chapter.text for chapter in chapters if chapter.topic == asked)
    # whoever asks for a chapter by its name means a chapter; titles of documents have topics
    below = [chapter for chapter in chapters if chapter.level > 1]
    found = [chapter for chapter in below if chapter.anchor == asked]
    found = found or [chapter for chapter in below if asked and asked in chapter.anchor]
    if not found:
        known = [*DOCUMENTS, "deploy", *(chapter.anchor for chapter in below)]
        raise UsageError(f'docs: no topic "{topic}"{suggest_nearest(asked, known)}', "calwatch docs lists them")
    if len(found) > 1:
        named = ", ".join(chapter.anchor for chapter in found)
        raise UsageError(f'docs: "{topic}" is in several topics: {named}', "calwatch docs, with one of these")
    return found[0].text


def read_chapters() -> tuple[Chapter, ...]:
    """Return every heading of every document there is, in order; the text of each goes on to the next heading of its
    level, with links that say which topic to ask for."""
    return tuple(
        chapter for topic, path in DOCUMENTS.items() for chapter in _split(topic, _name_links(path, _read(path)))
    )


def anchor_of(title: str) -> str:
    """Return the anchor that GitHub makes of a heading: ``How soon?`` is ``how-soon``."""
    return re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")


def _split(topic: str, text: str) -> Iterator[Chapter]:
    fences = [found.span() for found in _FENCE.finditer(text)]
    heads = [head for head in _HEADING.finditer(text) if not any(first < head.start() < last for first, last in fences)]
    for head in heads:
        level = len(head[1])
        later = (other.start() for other in heads if other.start() > head.start() and len(other[1]) <= level)
        yield Chapter(topic, level, head[2], anchor_of(head[2]), text[head.start() : next(later, len(text))])


def _name_links(path: str, text: str) -> str:
    """Relative links lead nowhere on a terminal: name the topic, or the file, instead."""
    topics = {place: topic for topic, place in DOCUMENTS.items()}

    def name(link: re.Match[str]) -> str:
        words, target = link[1], link[2]
        if "://" in target:
            return link[0]
        place, _, anchor = target.partition("#")
        there = normpath(join(dirname(path), place)) if place else path
        return f"{words} (calwatch docs {anchor or topics[there]})" if there in topics else f"{words} ({there})"

    kept = _FENCE.findall(text)
    prose = [_LINK.sub(name, _LEFT_OUT.sub("", part)) for part in _FENCE.split(text)]
    return "".join(part + fence for part, fence in zip(prose, [*kept, ""], strict=True))


def _read(path: str) -> str:
    """Return the text of a document; "" of the README where neither it nor the metadata that hold it are there."""
    package = resources.files("monitor")
    if path.startswith("monitor/"):
        return package.joinpath(path.removeprefix("monitor/")).read_text("utf-8")
    if path.startswith("rules/"):
        return resources.files("monitor.rulepacks").joinpath("README.md").read_text("utf-8")
    if (_repository() / "pyproject.toml").exists():
        return (_repository() / path).read_text("utf-8")
    try:
        return str(metadata.metadata("calwatch").json.get("description", ""))
    except metadata.PackageNotFoundError:
        return ""


def _repository() -> Path:
    return Path(str(resources.files("monitor"))).parent
