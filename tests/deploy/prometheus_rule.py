"""The PrometheusRule of the Prometheus operator, made of the shipped rules: ``python -m tests.deploy.prometheus_rule``."""

from pathlib import Path

DEPLOY = Path(__file__).parents[2] / "deploy"
TARGET = DEPLOY / "kubernetes" / "prometheusrule.yaml"
HEAD = """\
# Made of deploy/prometheus/rules by: python -m tests.deploy.prometheus_rule
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: calwatch
  labels: {app.kubernetes.io/name: calwatch}    # and what your Prometheus selects by, such as release: …
spec:
  groups:
"""


def prometheus_rule() -> str:
    """Its text: the groups of every rule file, one after the other, two columns further in."""
    groups = []
    for path in sorted((DEPLOY / "prometheus" / "rules").glob("*.yml")):
        _, _, body = path.read_text("utf-8").partition("\ngroups:\n")
        groups += [f"  {line}".rstrip() for line in body.splitlines()]
    return HEAD + "\n".join(groups) + "\n"


if __name__ == "__main__":
    TARGET.write_text(prometheus_rule(), "utf-8")
