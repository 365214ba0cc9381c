"""The SQL of the store: each statement has one name, somebody runs it, and none of several lines hides in Python."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

import monitor
from monitor.store.sql import statement

PACKAGE = Path(monitor.__file__).parent
SQL = {path: path.read_text("utf-8") for path in sorted((PACKAGE / "store" / "sql").glob("*.sql"))}
PYTHON = {path: path.read_text("utf-8") for path in sorted(PACKAGE.rglob("*.py"))}
NAMES = [name for text in SQL.values() for name in re.findall(r"^-- name: (\w+)$", text, re.MULTILINE)]
VERB = re.compile(r"^\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|WITH|FROM|ALTER|MERGE|COPY) ")


def literals_of_several_lines(source: str) -> list[int]:
    """Lines where SQL begins that goes on in the next one; formatted strings, which compute parts of it, are left out."""
    nodes = list(ast.walk(ast.parse(source)))
    computed = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    return sorted(
        node.lineno for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and VERB.match(node.value)
        and (node.end_lineno or 0) > node.lineno and id(node) not in computed
    )  # fmt: skip


def test_no_two_statements_have_one_name() -> None:
    assert [name for name, count in Counter(NAMES).items() if count > 1] == []


def test_every_file_says_its_subject_and_holds_nothing_before_the_first_name() -> None:
    for path, text in SQL.items():
        head, _, _ = text.partition("\n-- name: ")
        assert head.startswith("-- "), path.name
        assert all(line.startswith("-- ") for line in head.splitlines() if line), path.name


def test_every_statement_is_run_somewhere() -> None:
    said = {
        node.value for text in PYTHON.values() for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }  # fmt: skip
    within = {mark for text in SQL.values() for mark in re.findall(r"/\*(\w+)\*/", text)}
    assert [name for name in NAMES if name not in said | within] == []


def test_no_statement_of_several_lines_stands_in_python() -> None:
    found = {path.name: lines for path, text in PYTHON.items() if (lines := literals_of_several_lines(text))}
    assert found == {}


@pytest.mark.parametrize(
    "source",
    ['x("""\nSELECT 1\nFROM t""")', 'x("SELECT a " \n  "FROM t")', 'X = (\n  "UPDATE t "\n  "SET a = 1"\n)'],
    ids=["in three quotes", "joined", "by a name"],
)
def test_sql_of_several_lines_is_found(source: str) -> None:
    assert literals_of_several_lines(source)


@pytest.mark.parametrize("source", ['x("SELECT a FROM t")', 'x(f"SELECT a "\n  f"FROM {t}")'], ids=["one", "computed"])
def test_sql_of_one_line_and_with_computed_names_may_stay(source: str) -> None:
    assert not literals_of_several_lines(source)


def test_the_sums_of_a_cell_are_written_once_each() -> None:
    for sums in ("sum(c.score_squared)", "sum(score_squared)", "score * score * n"):
        assert sum(text.count(sums) for text in SQL.values()) == 1, sums


def test_a_statement_takes_in_what_its_marks_name() -> None:
    text = statement("bucket_cells")
    assert "sum(c.score_squared) AS score_squared" in text
    assert "/*" not in text
    assert not text.endswith(";")


def test_sql_in_place_of_a_mark_is_not_searched_for_marks() -> None:
    text = statement("stage_records", record='"/*rows*/"', rows="t")
    assert '"/*rows*/" AS record FROM (t)' in text


def test_marks_that_are_not_filled_are_refused() -> None:
    with pytest.raises(KeyError, match="rows"):
        statement("stage_records", record="x")
