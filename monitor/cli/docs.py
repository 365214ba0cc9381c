"""``calwatch docs``: the documents that stand beside the code, and come with it, on a terminal or as plain text."""

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata, resources
from importlib.resources.abc import Traversable
from pathlib import Path
from posixpath import dirname, join, normpath
from typing import Annotated

import typer

from monitor.cli import output as console
from monitor.config.toml import suggest_nearest
from monitor.model.errors import UsageError

_TOPICS = tomllib.loads(resources.files("monitor.cli").joinpath("topics.toml").read_text("utf-8"))
# topic → where it stands in the repository; another word → the topic that answers
DOCUMENTS: dict[str, str] = _TOPICS["documents"]
OTHER_WORDS: dict[str, str] = _TOPICS["words"]
CONTRIBUTING = ".github/CONTRIBUTING.md"
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
    topic: Annotated[
        list[str] | None, typer.Argument(help="a document, a chapter or an alert's runbook; none: list them")
    ] = None,
    config: Annotated[Path, typer.Option("--config", help="not read: the documents are the same for every one")] = Path(
        "calwatch.toml"
    ),
) -> None:
    """Show the documents: what goes in, what is measured, every key of the configuration."""
    if topic:
        console.print_markdown(find_chapter(" ".join(topic)))
    else:
        console.print_line(list_topics())


def list_topics() -> str:
    """Return the documents and their chapters, each with its title, a line of text each."""
    lines = ["calwatch docs TOPIC shows a document, or one chapter of it:", ""]
    for chapter in read_chapters():
        named = f"{chapter.topic}:" if chapter.level == 1 else f"    {chapter.anchor:<44}"
        lines.append(f"{named} {chapter.title}")
    return "\n".join([*lines, f"    {'CalwatchDown …':<44} the runbook of an alert, by its name"])


def find_chapter(topic: str) -> str:
    """Return the Markdown of a document, of an alert's runbook, or of the chapter that is meant: by its anchor, by another word
    for it, or by words that are in its title alone.

    Raises UsageError where there is none, or several.
    """
    asked, chapters = anchor_of(topic.removeprefix("#")), read_chapters()
    asked = OTHER_WORDS.get(asked, asked)
    if asked in DOCUMENTS:
        return _say_where_files_are(asked) + next(chapter.text for chapter in chapters if chapter.topic == asked)
    if asked in (runbooks := {name.lower(): name for name in list_runbooks()}):
        path = f"{dirname(DOCUMENTS['runbooks'])}/{runbooks[asked]}.md"
        return _name_links(path, _read(path))
    if asked == "contributing":
        return _read(CONTRIBUTING) or f"It is {CONTRIBUTING} in calwatch's repository."
    # whoever asks for a chapter by its name means a chapter; titles of documents have topics
    below = [chapter for chapter in chapters if chapter.level > 1]
    found = [chapter for chapter in below if chapter.anchor == asked]
    run_on = asked.replace("-", "")  # "backup" is in "Back-up"
    found = found or [chapter for chapter in below if run_on and run_on in chapter.anchor.replace("-", "")]
    found = found or [chapter for chapter in below if asked and set(asked.split("-")) <= set(chapter.anchor.split("-"))]
    if not found:
        known = [*DOCUMENTS, *(chapter.anchor for chapter in below), *OTHER_WORDS, *runbooks.values()]
        near = suggest_nearest(asked, known) or suggest_nearest(topic, known)
        raise UsageError(f'docs: no topic "{topic}"{near}{_say_where_named(topic, below)}', "calwatch docs lists them")
    if len(found) > 1:
        named = ", ".join(chapter.anchor for chapter in found)
        raise UsageError(f'docs: "{topic}" is in several topics: {named}', "calwatch docs, with one of these")
    return found[0].text


def list_runbooks() -> list[str]:
    """Return the names of the alerts that have a runbook."""
    folder = _place(dirname(DOCUMENTS["runbooks"]))
    return sorted(Path(page.name).stem for page in folder.iterdir() if page.name.startswith("Calwatch"))


def _say_where_named(topic: str, chapters: Sequence[Chapter]) -> str:
    """Return which chapters speak of it most, for a word that no title has; "" where none does."""
    counts = {chapter.anchor: chapter.text.lower().count(topic.strip().lower()) for chapter in chapters}
    most = sorted((anchor for anchor in counts if counts[anchor]), key=lambda anchor: -counts[anchor])[:3]
    return f"; it is spoken of in {', '.join(most)}" if most and re.search(r"\w{3}", topic) else ""


def _say_where_files_are(topic: str) -> str:
    """Return a sentence before a document that speaks of files of the repository, where calwatch is installed without it."""
    path = DOCUMENTS[topic]
    if not path.startswith("deploy/") or (_repository() / path).exists():
        return ""
    return f"The files below `deploy/` are installed with calwatch, in `{resources.files('monitor').joinpath('deploy')}`.\n\n"


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
    """Return the text of a document; "" where neither it nor, of the README, the metadata that hold it are there."""
    if path != "README.md" and (place := _place(path)).is_file():
        return place.read_text("utf-8")
    if (_repository() / "pyproject.toml").exists():
        return (_repository() / path).read_text("utf-8")
    try:
        return str(metadata.metadata("calwatch").json.get("description", "")) if path == "README.md" else ""
    except metadata.PackageNotFoundError:
        return ""


def _place(path: str) -> Traversable:
    """Return where a file or folder of the repository stands: there, or in the package that was installed."""
    package = resources.files("monitor")
    if path.startswith("rules/"):
        return resources.files("monitor.rulepacks").joinpath(path.removeprefix("rules/"))
    if path.startswith("deploy/") and not (_repository() / path).exists():
        return package.joinpath(path)
    return package.joinpath(path.removeprefix("monitor/")) if path.startswith("monitor/") else _repository() / path


def _repository() -> Path:
    return Path(str(resources.files("monitor"))).parent
