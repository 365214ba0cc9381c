"""``calwatch docs``: each document and each chapter by its name, as it is written, with links that lead somewhere there."""

import re
from pathlib import Path

import pytest
from rich.console import Console

from monitor.cli import docs, output
from monitor.cli.app import main
from monitor.cli.docs import DOCUMENTS, read_chapters
from tests.documents import FENCE, LINK, ROOT, find_blocks

CHAPTERS = [chapter for chapter in read_chapters() if chapter.level > 1]


def _shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["docs", *arguments])
    told = capsys.readouterr()
    return int(ended.value.code or 0), told.out, told.err


@pytest.mark.parametrize("topic", DOCUMENTS)
def test_each_topic_is_shown_whole_as_plain_text_in_a_pipe(topic: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, said, _ = _shown(capsys, topic)
    written = (ROOT / DOCUMENTS[topic]).read_text("utf-8")
    assert code == 0
    assert find_blocks("[a-z]*", said) == find_blocks("[a-z]*", written)
    assert re.findall("^#+ .*$", said, re.MULTILINE) == re.findall("^#+ .*$", written, re.MULTILINE)
    assert not [target for target in LINK.findall(FENCE.sub("", said)) if "://" not in target], "leads nowhere there"
    assert "\x1b" not in said


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.anchor)
def test_each_chapter_is_shown_by_its_name(chapter: docs.Chapter) -> None:
    heading, _, below = docs.find_chapter(chapter.anchor).partition("\n")
    assert heading == f"{'#' * chapter.level} {chapter.title}"
    assert not re.search(rf"^#{{1,{chapter.level}}} ", FENCE.sub("", below), re.MULTILINE)


@pytest.mark.parametrize(
    ("asked", "title"),
    [
        ("bad-input", "## What happens to bad input"), ("Groups", "## Groups"), ("#groups", "## Groups"),
        ("played", "## Played states"), ("who applies", "## Who applies the calibrator"), ("back up", "## Back-up"),
    ],
)  # fmt: skip
def test_a_part_of_a_name_will_do_where_it_is_one_chapters_alone(asked: str, title: str) -> None:
    assert docs.find_chapter(asked).startswith(title + "\n")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("gruops", 'docs: no topic "gruops", did you mean "groups"?'), ("xyz", 'docs: no topic "xyz"'),
        ("!", 'docs: no topic "!"'), ("label", '"label" is in several topics: labels-in-a-table-of-their-own, late-labels-'),
    ],
)  # fmt: skip
def test_an_unknown_topic_says_what_there_is(asked: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, said, error = _shown(capsys, asked)
    assert (code, said) == (2, "")
    assert told in error
    assert "try: calwatch docs" in error


def test_without_a_topic_every_topic_and_chapter_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    lines = _shown(capsys)[1].splitlines()
    assert [line.partition(":")[0] for line in lines[2:] if not line.startswith(" ")] == [*DOCUMENTS, "deploy"]
    assert [line.strip() for line in lines if line.startswith("    ")] == [chapter.anchor for chapter in CHAPTERS]


def test_deploy_says_where_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert Path(_shown(capsys, "deploy")[1].strip()) == ROOT / "deploy" / "README.md"
    monkeypatch.setattr(docs, "_repository", lambda: tmp_path)
    assert "deploy/README.md in calwatch's repository" in _shown(capsys, "deploy")[1]


def test_links_name_the_topic_to_ask_for() -> None:
    assert "(calwatch docs who-applies-the-calibrator)" in docs.find_chapter("which-columns-when")
    assert "(calwatch docs house)" in docs.find_chapter("where-to-read-on")
    assert "(monitor/cli/demo/README.md)" in docs.find_chapter("try-it")


def test_on_a_terminal_it_is_set(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(output, "out", Console(force_terminal=True, width=100, highlight=False))
    said = _shown(capsys, "the-columns")[1]
    assert "\x1b[" in said
    assert "│" not in said.splitlines()[0]
    assert "| --- |" not in said
