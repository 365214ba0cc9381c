"""Names of classes that files of truth say, for detections that have their numbers: so that 18 finds "dog".

Truth in COCO has names, lists of results have numbers alone. What each source of truth says is remembered with it; a number
that two of them name differently stays a number, and is told.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime

import duckdb

from monitor.model.wording import first_few, quote_names
from monitor.store.source_facts import load_facts, store_fact
from monitor.store.sql import statement

CATEGORIES = "categories"  # the fact
_SEVERAL = "\x1f"  # between names of one number


def collect_categories(files: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """The fact of files that are read together, by number; {} where they name none.

    >>> collect_categories([{"1": "person"}, {}, {"18": "dog"}])
    {'categories': '{"1": "person", "18": "dog"}'}
    """
    said: dict[str, str] = {}
    for names in files:
        merge_names(said, names)
    return {CATEGORIES: json.dumps(said)} if said else {}


def merge_names(said: dict[str, str], more: Mapping[str, str]) -> list[str]:
    """Add names to those that are known; the numbers that have a further one now."""
    news = []
    for number, names in more.items():
        known = said.get(number, "").split(_SEVERAL) if number in said else []
        fresh = [name for name in names.split(_SEVERAL) if name not in known]
        if fresh:
            said[number] = _SEVERAL.join([*known, *fresh])
            news += [number] if known else []
    return news


def remember_categories(
    connection: duckdb.DuckDBPyConnection, model_id: int, source: str, facts: Mapping[str, str], now: datetime
) -> tuple[bool, str]:
    """Add what a batch's files say to what is known of their source. Gives whether anything is new, and what contradicts, as a
    sentence ("": nothing). To be called inside the transaction of the batch."""
    if CATEGORIES not in facts:
        return False, ""
    known: dict[str, str] = json.loads(load_facts(connection, model_id, source).get(CATEGORIES, "{}"))
    before = dict(known)
    several = merge_names(known, json.loads(facts[CATEGORIES]))
    several += [number for number, names in known.items() if _SEVERAL in names and number not in before]
    if known != before:
        store_fact(connection, model_id, source, CATEGORIES, json.dumps(known), now)
    return known != before, describe_contradictions({number: known[number] for number in several})


def describe_contradictions(several: Mapping[str, str]) -> str:
    """A sentence about numbers with several names; "" where there are none."""
    if not several:
        return ""
    number, names = next(iter(several.items()))
    return (
        f"files of truth give {first_few(list(several))} several names, such as {number}: {quote_names(names.split(_SEVERAL))}"
        "; detections of such a number match no object: let all files number their categories alike"
    )


def load_class_names(connection: duckdb.DuckDBPyConnection, model_id: int) -> dict[str, str]:
    """Number → name, of those that all sources of a model name alike."""
    said: dict[str, str] = {}
    for (value,) in connection.execute(
        "SELECT value FROM source_facts WHERE model_id = $model_id AND fact = $fact ORDER BY source",
        {"model_id": model_id, "fact": CATEGORIES},
    ).fetchall():
        merge_names(said, json.loads(value))
    return unambiguous_names(said)


def unambiguous_names(said: Mapping[str, str]) -> dict[str, str]:
    """Number → name, without numbers that have several, and those that are names of others themselves."""
    names = {name for each in said.values() for name in each.split(_SEVERAL)}
    return {number: name for number, name in said.items() if _SEVERAL not in name and number not in names}


def name_classes(connection: duckdb.DuckDBPyConnection, model_id: int) -> None:
    """Fill `class_names` with number and name of the classes that files of truth name."""
    connection.execute(statement("class_names"), {"names": load_class_names(connection, model_id)})
