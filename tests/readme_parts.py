"""The reference tables of the documents, from what the code says of itself; `python -m tests.readme_parts` writes them."""

from datetime import UTC, datetime

from prometheus_client import CollectorRegistry

from monitor.config.reference import configuration_table, rules_table
from monitor.model import Code, tell_reason
from monitor.model.methods import METHODS
from monitor.publish.metrics.catalogue import HELP
from monitor.publish.metrics.instruments import Instruments
from monitor.rules.tables import Pack
from tests.documents import write_generated
from tests.worlds.every_reason import REASONS


def metrics_table() -> str:
    """One Markdown table over all metric families with their HELP texts."""
    instruments = Instruments(CollectorRegistry())
    instruments.expect_model("m", sources=["s"], rules=["r"], quarantine_reasons=["q"], problem_reasons=["p"])
    instruments.record_job("m", "recalibrate", "promoted", 1.0)
    instruments.time_stage("pull")
    instruments.record_reload(True, datetime(2026, 1, 1, tzinfo=UTC))
    families = {family.name: family for family in instruments.collect()}
    suffix = {"counter": "_total"}
    live = {name + suffix.get(family.type, ""): family.documentation for name, family in families.items()}
    lines = ["| metric | |", "| --- | --- |"]
    lines += [f"| `{name}` | {text} |" for name, text in {**HELP, **live}.items()]
    return "\n".join(lines) + "\n"


def methods_table() -> str:
    """One Markdown table over the methods of calibration: name, calibrated score, what it needs."""
    lines = ["| method | calibrated score, of score p or logits z | needs |", "| --- | --- | --- |"]
    lines += [f"| `{method.name}` | {method.formula} | {method.needs} |" for method in METHODS]
    return "\n".join(lines) + "\n"


def codes_table() -> str:
    """One Markdown table over all codes of reasons: the names of their facts, and a sentence that they make."""
    lines = ["| code | facts | such as |", "| --- | --- | --- |"]
    for code in Code:
        facts = ", ".join(f"`{name}`" for name in sorted(REASONS[code].values))
        said = tell_reason(REASONS[code]).replace("|", "\\|")
        lines.append(f"| `{code}` | {facts} | {said} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    write_generated("house", "configuration", configuration_table())
    write_generated("publish", "metrics", metrics_table())
    write_generated("recalibration", "methods", methods_table())
    write_generated("store", "codes", codes_table())
    write_generated("rules", "keys", rules_table(Pack))
