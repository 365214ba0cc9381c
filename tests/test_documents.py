"""The documents can be read on GitHub and on a terminal: links lead somewhere, chapters have names of their own."""

import io
import re
from collections import Counter
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from monitor.cli.docs import DOCUMENTS, OTHER_WORDS, anchor_of, read_chapters
from monitor.config.sources import MISSING_LABELS
from monitor.model.problems import NOTED_REASONS
from tests.documents import FENCE, LINK, PATHS, ROOT, find_generated, read_document

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
    assert not set(names) & {*DOCUMENTS, *OTHER_WORDS}, "a document would hide it"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_word_is_taken_for_a_tag_or_for_emphasis(page: Path) -> None:
    """Outside of code Markdown shows ``__other__`` as **other**, and of ``<NA>`` nothing at all."""
    text = re.sub(r"<!--.*?-->|``.*?``|`[^`\n]*`", "", FENCE.sub("", page.read_text("utf-8")))
    assert re.findall(r"\S*__\w+__\S*|<(?!https?://)[A-Za-z/][^>\n]{0,30}", text) == []


PLACES = find_generated("places", read_document("house"))
# of each kind of thing one that there is: every file to touch, and the tests, speak of it
EXAMPLES = {
    "a method of calibration": "isotonic", "a kind of rule": "disparity", "a metric": "ece_null_quantile",
    "a column that people may give": "raw_score", "a format of files": "parquet", "a kind of action": "slack",
    "a key of the configuration": "retention",
}  # fmt: skip


def _texts(place: str, base: Path) -> str:
    """What the file says, or all files of the folder."""
    assert (base / place).exists(), place
    files = (
        [base / place] if (base / place).is_file() else [*(base / place).glob("*.py"), *(base / place).glob("*.sql")]
    )
    return "\n".join(file.read_text("utf-8") for file in files)


@pytest.mark.parametrize("row", PLACES.partition("\n\n")[0].splitlines()[2:])
def test_the_places_to_touch_are_there_and_speak_of_what_they_are_named_for(row: str) -> None:
    thing, touch, test = [cell.strip() for cell in row.strip("|").split("|")]
    for part in touch.split(";"):
        places = re.findall(r"`([a-z_]+/[\w/.]*)`", part)
        texts = "\n".join(_texts(place, ROOT / "monitor") for place in places)
        assert EXAMPLES[thing] in texts.lower(), part
        for name in re.findall(r"`(\w+)`", part):
            assert re.search(rf"\b_?{name}\b", texts), name
    assert EXAMPLES[thing] in _texts(test.strip("`"), ROOT).lower()


def test_each_kind_of_thing_to_add_has_its_example() -> None:
    rows = PLACES.partition("\n\n")[0].splitlines()[2:]
    assert [row.split("|")[1].strip() for row in rows] == list(EXAMPLES)


@pytest.mark.parametrize("reason", NOTED_REASONS)
def test_what_a_source_note_means_stands_in_a_table(reason: str) -> None:
    (row,) = [line for line in read_document("sources").splitlines() if re.match(rf"\| [^|]*`{reason}`", line)]
    assert len(row.split("|")[2].strip()) > 20


def test_words_for_missing_labels_are_listed_once_from_the_code() -> None:
    listed = ", ".join(f"`{word}`" for word in MISSING_LABELS)
    assert [path for path in PATHS if listed in (ROOT / path).read_text("utf-8")] == ["monitor/README.md"]
    assert not [path for path in PATHS if "`NULL`, `NA`" in (ROOT / path).read_text("utf-8").replace(listed, "")]


def test_the_command_that_finds_the_shipped_examples_prints_a_folder_that_holds_them() -> None:
    (program,) = re.findall(r'^python3 -c "(.+)"$', read_document("rules"), re.MULTILINE)
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(program)
    assert (Path(printed.getvalue().strip()) / "default.test.toml").exists()
