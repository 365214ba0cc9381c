"""How labels of a source are understood now: its configuration, and the classes that were predicted under odd names; labels
that were taken as missing get their outcome once their word turns out to name a class."""

from collections.abc import Collection
from datetime import datetime

import duckdb

from monitor.config.sources import SourceSettings
from monitor.store.connection import fetch_column, make_naive, quote_text
from monitor.store.model_store import ModelStore
from monitor.store.rewriting import rewrite_samples
from monitor.store.sql import statement
from monitor.store.values import MISSING_WORDS, LabelRules


def load_rules(store: ModelStore, meaning: SourceSettings, now: datetime) -> LabelRules:
    """The rules, with the words that were predicted as classes within retention."""
    words = fetch_column(
        store.connection,
        "SELECT DISTINCT word FROM class_words WHERE model_id = $model_id AND last_observed_at >= $oldest",
        {"model_id": store.model_id, "oldest": make_naive(now - store.model.retention)},
    )
    return LabelRules.of(store.model, meaning, words)


def define_missing(connection: duckdb.DuckDBPyConnection, rules: LabelRules) -> None:
    """Make the macro ``label_missing(label)``: whether a label that is there means that there is none yet."""
    connection.execute(
        f"CREATE OR REPLACE TEMP MACRO label_missing(label) AS coalesce({rules.missing_sql('label')}, false)"
    )


def words_predicted(connection: duckdb.DuckDBPyConnection) -> dict[str, datetime]:
    """Words that else mean "not labelled yet" and are predicted as classes in `staged`, each with when last (UTC, naive)."""
    words = ", ".join(quote_text(word) for word in MISSING_WORDS)
    return dict(
        connection.execute(
            "SELECT predicted_class, max(observed_at) FROM staged "
            f"WHERE predicted_class IS NOT NULL AND lower(predicted_class) IN ({words}) AND reason IS NULL "
            "GROUP BY predicted_class"
        ).fetchall()
    )


def remember_words(store: ModelStore, seen: dict[str, datetime]) -> None:
    """Keep the words with the newest time of each; to be called inside the transaction that takes their rows."""
    if seen:
        words = {"words": list(seen), "times": list(seen.values())}
        store.execute(statement("class_words_seen"), {"model_id": store.model_id, **words})


def derive_outcomes_again(store: ModelStore, rules: LabelRules, words: Collection[str]) -> int:
    """Give samples that are stored with such a word as label, and without an outcome, the outcome it stands for; how many.

    To be called inside a transaction. ``rules`` know the words as classes.
    """
    if not words:
        return 0
    outcome = rules.label_sql("s.label", "s.predicted_class")
    store.execute(
        "CREATE OR REPLACE TEMP TABLE replaced AS SELECT s.rowid AS row_key, s.* FROM samples AS s "
        f"WHERE s.model_id = $model_id AND s.positives IS NULL AND list_contains($words, s.label) AND ({outcome}) IN (0, 1)",
        {"model_id": store.model_id, "words": sorted(words)},
    )
    store.execute(
        f"CREATE OR REPLACE TEMP TABLE incoming AS SELECT * REPLACE (({outcome})::BIGINT AS positives) FROM replaced AS s"
    )
    rewrite_samples(store)
    return int(store.fetch_row("SELECT count(*) FROM incoming")[0])
