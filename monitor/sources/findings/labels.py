"""Labels that look wrong in rows that could be taken: words for "not known", labels that contradict each other.

All functions read the temporary table `tried`, as those of rows.py do.
"""

from collections.abc import Iterator

import duckdb

from monitor.config.settings import Model
from monitor.model import Task
from monitor.model.wording import first_few, quantity
from monitor.sources.findings import Finding
from monitor.store.connection import fetch_row
from monitor.store.sql import statement
from monitor.store.values import normalize_word

# Labels that say that there is none, beside those that are taken as missing anyhow: too often classes to be taken so unasked.
UNTOLD = frozenset({
    "nil", "?", "??", "???", "unknown", "unk", "undefined", "unlabeled", "unlabelled", "not labeled", "not labelled",
    "no label", "no_label", "missing", "pending", "tbd", "todo", "to do", "open", "unsure", "uncertain", "not sure",
    "undecided", "unclear", "ignore", "ignored", "skip", "skipped", "void", "empty", "blank", "unreviewed", "not reviewed",
    "--", "---", "\u2014", "\u2013", "#value!", "-1", "-9", "-99", "-100", "-999", "-9999", "{}", "[]",
})  # fmt: skip
_FEW = 0.01  # of the labels, from which such words, and labels that contradict each other, are suspicious
_MOST = 1 / 3  # of the labels are one word that is never predicted
_ENOUGH = 100  # labelled rows from which shares are judged


def find_odd_labels(connection: duckdb.DuckDBPyConnection, model: Model) -> Iterator[Finding]:
    """Labels that are never predicted, and either say that there is none or are very many: they count as mistakes."""
    if model.task is Task.BINARY:
        return
    rows = connection.execute(statement("tried_labels_unlike_classes")).fetchall()
    (total,) = fetch_row(
        connection, "SELECT count(*) FROM tried WHERE reason IS NULL AND label IS NOT NULL AND labelled"
    )
    classes = {normalize_word(name) for name in model.classes}
    said = [(word, count) for word, count in rows if word not in classes and word.lower() in UNTOLD]
    many = [(word, count) for word, count in rows if total >= _ENOUGH and count >= _MOST * total]
    odd = said if sum(count for _, count in said) >= _FEW * total else []
    odd += [each for each in many if each not in odd]
    if odd:
        words = first_few([f'"{word}" ({count:,})' for word, count in odd], 5)
        listed = ", ".join(f'"{word}"' for word, _ in odd[:5])
        yield Finding(
            f"labels {words} are never predicted, so each of them counts as a wrong prediction: if they mean not labelled "
            f'yet, set missing_labels = ["", {listed}] in [model.source]; if they are classes, name them in classes'
        )


def find_contradictions(connection: duckdb.DuckDBPyConnection) -> Iterator[Finding]:
    """One prediction with two labels in a file: which one holds only labelled_at could tell."""
    contradicting, labelled = fetch_row(connection, statement("tried_label_twice"))
    if contradicting and contradicting >= _FEW * labelled:
        yield Finding(
            f"{contradicting:,} of {quantity(labelled, 'labelled prediction')} have labels that contradict each other within "
            "one file, and nothing in labelled_at tells which came later: the last row counts. Where several people label, "
            "decide before; where labels are corrected, give labelled_at"
        )
