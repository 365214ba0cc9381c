"""The alerts of deploy/prometheus as Grafana-managed alerts: the same questions, patience, severities and texts.

For those who run Grafana's alerting and no Alertmanager. Recorded series are written out, so that Prometheus needs no
rules at all. Not together with deploy/prometheus/rules: everybody would be told twice.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

RULES = Path(__file__).parents[1] / "prometheus" / "rules"
SOURCE_UID = "calwatch-prometheus"
_HEAD = """\
# Made of deploy/prometheus/rules by: python -m deploy.grafana.generate
# For Grafana's own alerting, in place of Prometheus' rules and Alertmanager, never beside them. To use it, put it into
# /etc/grafana/provisioning/alerting and route by the label severity (page, ticket, info) in your notification policy.
"""
_FOLDER = "calwatch"
_SECONDS = 600  # how far back an instant query may look; the alerts say themselves how long a value counts


def alerting() -> str:
    """The provisioning file, as YAML."""
    recorded = _recorded()
    groups = []
    for path in sorted(RULES.glob("*.yml")):
        for group in yaml.safe_load(path.read_text("utf-8"))["groups"]:
            rules = [_rule(each, recorded) for each in group["rules"] if "alert" in each]
            if rules:
                groups.append({
                    "orgId": 1, "name": group["name"], "folder": _FOLDER, "interval": group.get("interval", "1m"),
                    "rules": rules,
                })  # fmt: skip
    made = {"apiVersion": 1, "groups": groups}
    text: str = yaml.safe_dump(made, sort_keys=False, allow_unicode=True, width=120)
    return _HEAD + text


def written_out(query: str, recorded: Mapping[str, str]) -> str:
    """The query with each recorded series replaced by what records it.

    ``calwatch:x{stage="pull"}`` puts its matchers into each series of the recording; right for matchers on labels that the
    recording keeps, which is all a rule can ask for.
    """

    def expanded(found: re.Match[str]) -> str:
        asked = (found["matchers"] or "{}")[1:-1]
        if not asked:
            return f"({recorded[found['name']]})"
        inner = re.sub(
            r"\b(calwatch_\w+)(?:\{([^}]*)\})?(?!\w)",
            lambda series: f"{series[1]}{{{', '.join(filter(None, [series[2], asked]))}}}",
            recorded[found["name"]],
        )
        return f"({inner})"

    pattern = re.compile(r"(?P<name>calwatch:[\w:]+)(?P<matchers>\{[^}]*\})?")
    while pattern.search(query):
        query = pattern.sub(expanded, query)
    return query


def _recorded() -> dict[str, str]:
    found = {}
    for path in sorted(RULES.glob("*.yml")):
        for group in yaml.safe_load(path.read_text("utf-8"))["groups"]:
            found.update({each["record"]: _one_line(each["expr"]) for each in group["rules"] if "record" in each})
    return found


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _rule(alert: Mapping[str, Any], recorded: Mapping[str, str]) -> dict[str, Any]:
    """A query, and "is there a series": the comparison stands in the query, as in Prometheus."""
    query = written_out(_one_line(alert["expr"]), recorded)
    return {
        "uid": re.sub(r"(?<=[a-z])(?=[A-Z])", "-", alert["alert"]).lower(),
        "title": alert["alert"],
        "condition": "C",
        "data": [
            _stage("A", SOURCE_UID, {"refId": "A", "expr": query, "instant": True, "range": False}),
            _stage("B", "__expr__", {"refId": "B", "type": "math", "expression": "$A * 0 + 1"}),
            _stage("C", "__expr__", {
                "refId": "C", "type": "threshold", "expression": "B",
                "conditions": [{"evaluator": {"type": "gt", "params": [0]}}],
            }),
        ],
        "noDataState": "OK",  # no series: the condition does not hold
        "execErrState": "Error",
        "for": alert.get("for", "0s"),
        # Grafana takes $name for a variable of its environment: in labels, not in annotations and queries; $$ is a $
        "labels": {name: _text(text).replace("$", "$$") for name, text in alert.get("labels", {}).items()},
        "annotations": {name: _text(text) for name, text in alert["annotations"].items()},
    }  # fmt: skip


def _stage(ref: str, source: str, model: dict[str, Any]) -> dict[str, Any]:
    return {
        "refId": ref, "relativeTimeRange": {"from": _SECONDS, "to": 0}, "datasourceUid": source, "model": model,
    }  # fmt: skip


def _text(text: str) -> str:
    """A Prometheus template as Grafana's: the value of the query, and labels of its own that are no slice."""
    loop = re.match(r".*?range \$name, \$value := \$labels.*?\$name \$value \}\}", text, re.DOTALL)
    own = loop.end() if loop else 0  # up to here $value is that of a label
    head, tail = text[:own], text[own:].replace("$value", "$values.A.Value")
    return (head.replace('"^(__name__|', '"^(__.*|alertname|grafana_folder|') + tail).strip()
