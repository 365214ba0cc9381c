"""``calwatch docs``: each document and each chapter by its name, as it is written, with links that lead somewhere there."""

import re

import pytest
from rich.console import Console

from monitor.cli import docs, output
from monitor.cli.app import main
from monitor.cli.docs import DOCUMENTS, OTHER_WORDS, read_chapters
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
        ("backup", "## Back-up"), ("one rule", "## One rule"), ("RULE ONE", "## One rule"),
        ("metrics", "## Prometheus"), ("columns", "## The columns"), ("slices", "## What is measured"),
        ("labels", "## Labels in a table of their own"), ("drift", "## Drift with a false-alarm budget"),
        ("schema", "## Configuration"), ("retention", "## Configuration"), ("demo", "## Try it"),
        ("runbooks", "# Runbooks"), ("contributing", "# Contributing to calwatch"), ("deploy", "# Deploying calwatch"),
        ("CalwatchDown", "# CalwatchDown"), ("calwatchdrift", "# CalwatchDrift"), ("onnx", "## Without calwatch"),
    ],
)  # fmt: skip
def test_a_part_of_a_name_or_another_word_for_it_will_do(asked: str, title: str) -> None:
    assert docs.find_chapter(asked).startswith(title + "\n")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("gruops", 'docs: no topic "gruops", did you mean "groups"?'), ("xyz", 'docs: no topic "xyz"'),
        ("!", 'docs: no topic "!"'), ("memory_limit", "it is spoken of in configuration"),
        ("calwatchdwon", 'did you mean "CalwatchDown"?'), ("quarantne", 'did you mean "quarantine"?'),
        ("label", '"label" is in several topics: labels-in-a-table-of-their-own, late-labels-'),
    ],
)  # fmt: skip
def test_an_unknown_topic_says_what_there_is(asked: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, said, error = _shown(capsys, asked)
    assert (code, said) == (2, "")
    assert told in error
    assert "try: calwatch docs" in error


def test_without_a_topic_every_topic_and_chapter_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    lines = _shown(capsys)[1].splitlines()
    assert [line.partition(":")[0] for line in lines[2:] if not line.startswith(" ")] == [*DOCUMENTS]
    assert [line.split(maxsplit=1) for line in lines if line.startswith("    ")][:-1] == [
        [chapter.anchor, chapter.title] for chapter in CHAPTERS
    ]


def test_several_words_are_one_topic(capsys: pytest.CaptureFixture[str]) -> None:
    assert _shown(capsys, "your", "own", "model")[1].startswith("## Your own model in ten minutes\n")


def test_each_other_word_leads_to_a_topic_that_is_there() -> None:
    assert set(OTHER_WORDS.values()) <= {*DOCUMENTS, *(chapter.anchor for chapter in CHAPTERS)}


@pytest.mark.parametrize("name", docs.list_runbooks())
def test_each_runbook_is_shown_by_the_name_of_its_alert(name: str) -> None:
    said = docs.find_chapter(name)
    assert said.startswith(f"# {name}\n")
    assert not [target for target in LINK.findall(FENCE.sub("", said)) if "://" not in target], "leads nowhere there"


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
