"""The documents can be read on GitHub and on a terminal: links lead somewhere, chapters have names of their own."""

import re
from collections import Counter
from pathlib import Path

import pytest

from monitor.cli.docs import DOCUMENTS, anchor_of, read_chapters
from tests.documents import FENCE, LINK, PATHS, ROOT

PAGES = sorted(
    {ROOT / path for path in PATHS} | set((ROOT / "deploy").rglob("*.md")) | set((ROOT / "monitor").rglob("*.md"))
)
CHAPTERS = [chapter for chapter in read_chapters() if chapter.level > 1]


def _anchors(page: Path) -> set[str]:
    return {
        anchor_of(title) for title in re.findall(r"^#{1,6} (.+)$", FENCE.sub("", page.read_text("utf-8")), re.MULTILINE)
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_and_anchor_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(FENCE.sub("", page.read_text("utf-8"))):
        if "://" in target:
            continue
        place, _, anchor = target.partition("#")
        there = (page.parent / place).resolve() if place else page
        assert there.exists(), f"{page}: {target}"
        assert there.is_relative_to(ROOT), f"{page}: {target} leads out of the repository"
        assert not anchor or anchor in _anchors(there), f"{page}: {target}"


@pytest.mark.parametrize("path", PATHS)
def test_every_file_and_module_that_is_named_is_there(path: str) -> None:
    """Below the repository, the document's own folder, or ``monitor``; the names that `init` and people give are their own."""
    text = (ROOT / path).read_text("utf-8")
    named = set(re.findall(r"`((?:\w+/)+[\w.*-]+\.(?:py|md|json|sql)|(?:monitor|tests|deploy)/[\w./-]*)`", text))
    bases = (ROOT, ROOT / "monitor", (ROOT / path).parent)
    missing = {name for name in named if not any(list(base.glob(name.rstrip("/"))) for base in bases)}
    assert missing - {"rules/rules.schema.json"} == set()
    for module in re.findall(r"python -m ((?:tests|deploy)(?:\.\w+)*)", text):
        place = ROOT / module.replace(".", "/")
        assert place.with_suffix(".py").exists() or (place / "__main__.py").exists(), module


@pytest.mark.parametrize("path", [path for path in PATHS if path != "README.md"])
def test_every_document_is_in_the_index_of_the_readme(path: str) -> None:
    assert f"]({path})" in (ROOT / "README.md").read_text("utf-8")


def test_every_document_beside_the_code_is_a_topic() -> None:
    beside = {path.relative_to(ROOT).as_posix() for path in (ROOT / "monitor").rglob("README.md")}
    assert beside - set(DOCUMENTS.values()) == {"monitor/cli/demo/README.md"}  # of the bundled data, not of the program


def test_the_readme_can_be_read_in_one_sitting_and_shows_one_picture() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    assert len(readme.splitlines()) <= 250
    assert len(re.findall(r"!\[", readme)) == 1


def test_the_pictures_are_there_and_small() -> None:
    named = [
        (ROOT / path).parent / name
        for path in PATHS
        for name in re.findall(r"!\[[^]]+\]\((\S+)\)", (ROOT / path).read_text("utf-8"))
    ]
    assert len(named) == 2
    assert sum(picture.stat().st_size for picture in named) < 300_000


def test_no_two_chapters_have_one_name() -> None:
    names = Counter(chapter.anchor for chapter in CHAPTERS)
    assert [name for name, count in names.items() if count > 1] == []
    assert not set(names) & {*DOCUMENTS, "deploy"}, "a document would hide it"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_word_is_taken_for_a_tag_or_for_emphasis(page: Path) -> None:
    """Outside of code Markdown shows ``__other__`` as **other**, and of ``<NA>`` nothing at all."""
    text = re.sub(r"<!--.*?-->|``.*?``|`[^`\n]*`", "", FENCE.sub("", page.read_text("utf-8")))
    assert re.findall(r"\S*__\w+__\S*|<(?!https?://)[A-Za-z/][^>\n]{0,30}", text) == []
