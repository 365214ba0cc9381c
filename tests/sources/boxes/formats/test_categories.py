"""Numbers of classes find their names, and never one of two."""

from datetime import UTC, datetime
from pathlib import Path

import duckdb

from monitor.sources.formats.boxes.categories import (
    collect_categories,
    load_class_names,
    name_classes,
    remember_categories,
    unambiguous_names,
)
from monitor.store.connection import fetch_column, prepare_database

_NOW = datetime(2026, 11, 30, tzinfo=UTC)


def _known(tmp_path: Path, *said: tuple[str, dict[str, str]]) -> tuple[dict[str, str], list[tuple[bool, str]]]:
    with duckdb.connect() as connection:
        prepare_database(connection, _NOW)
        told = [remember_categories(connection, 1, source, collect_categories([names]), _NOW) for source, names in said]
        return load_class_names(connection, 1), told


def test_names_of_several_files_and_sources_come_together(tmp_path: Path) -> None:
    names, told = _known(tmp_path, ("a", {"1": "person"}), ("a", {"18": "dog"}), ("b", {"1": "person", "2": "car"}))
    assert names == {"1": "person", "18": "dog", "2": "car"}
    assert told == [(True, ""), (True, ""), (True, "")]


def test_what_is_known_is_no_news(tmp_path: Path) -> None:
    _, told = _known(tmp_path, ("a", {"1": "person"}), ("a", {"1": "person"}), ("a", {}))
    assert [news for news, _ in told] == [True, False, False]


def test_a_number_of_two_names_stays_a_number_and_is_told(tmp_path: Path) -> None:
    names, told = _known(tmp_path, ("a", {"1": "person", "2": "car"}), ("a", {"1": "car", "3": "dog"}))
    assert names == {"2": "car", "3": "dog"}
    assert 'such as 1: "person", "car"' in told[1][1]


def test_two_sources_that_number_differently_are_no_names(tmp_path: Path) -> None:
    names, _ = _known(tmp_path, ("a", {"1": "person"}), ("b", {"1": "car"}))
    assert names == {}


def test_two_names_within_one_batch_are_told() -> None:
    with duckdb.connect() as connection:
        prepare_database(connection, _NOW)
        facts = collect_categories([{"1": "person"}, {"1": "car"}])
        news, told = remember_categories(connection, 1, "a", facts, _NOW)
    assert news
    assert '"person", "car"' in told


def test_a_number_that_is_a_name_itself_is_one() -> None:
    assert unambiguous_names({"0": "1", "1": "2", "5": "dog"}) == {"0": "1", "5": "dog"}


def test_names_are_a_table_for_those_who_match() -> None:
    with duckdb.connect() as connection:
        prepare_database(connection, _NOW)
        remember_categories(connection, 1, "a", collect_categories([{"1": "traffic light", "18": "dog's"}]), _NOW)
        name_classes(connection, 1)
        found = connection.execute("FROM class_names ORDER BY number").fetchall()
        name_classes(connection, 2)
        assert fetch_column(connection, "FROM class_names") == []
    assert found == [("1", "traffic light"), ("18", "dog's")]
