"""Labels that were taken as missing, judged again once their word turns out to name a class."""

from collections.abc import Collection

from monitor.store.model_store import ModelStore
from monitor.store.rewriting import rewrite_samples
from monitor.store.values import LabelRules


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
    judged = store.execute("SELECT count(*) FROM incoming").fetchone()
    return int(judged[0]) if judged else 0
