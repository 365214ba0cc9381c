"""PromQL over slices: the dimensions a set of dashboards knows, and how to ask for some, one or all of them.

A series of calwatch has one label per slice dimension, empty where it is summed over it. Dashboards write "All" for
the empty one: Grafana takes ``var-camera=All`` in a link as its own choice "All", so links work from any table.
"""

from dataclasses import dataclass

from monitor.publish.metrics.collector import label_name

ALL = "All"


@dataclass(frozen=True, slots=True)
class Dimensions:
    """Slice dimensions in the order in which they are shown, named as in calwatch.toml; at least one."""

    names: tuple[str, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(label_name(name) for name in self.names)

    @property
    def whole(self) -> str:
        """Matchers of all traffic together."""
        return ", ".join(f'{label}=""' for label in self.labels)

    @property
    def chosen(self) -> str:
        """Matchers of what the variables choose."""
        return ", ".join(f'{label}=~"${label}"' for label in self.labels)

    @property
    def by(self) -> str:
        """For ``max by (…)``."""
        return ", ".join(self.labels)

    @property
    def legend(self) -> str:
        return " · ".join(f"{{{{{label}}}}}" for label in self.labels)

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Neighbouring labels, for maps of two dimensions; none when there is one dimension."""
        return tuple(zip(self.labels, self.labels[1:], strict=False))

    def along(self, *labels: str, matcher: str = "") -> str:
        """Matchers that leave these labels free (or under ``matcher``, as ``=~"$camera"``), summed over all others."""
        free = {label: f"{label}{matcher}" if matcher else "" for label in labels}
        return ", ".join(each for label in self.labels if (each := free.get(label, f'{label}=""')))

    def named(self, query: str) -> str:
        """The same series with "All" where a label is empty."""
        for label in reversed(self.labels):
            query = f'label_replace({query}, "{label}", "{ALL}", "{label}", "")'
        return query

    def each(self, metric: str, matchers: str, *more: str, how: str = "max") -> str:
        """One series per slice (and label of ``more``), whichever instance tells it."""
        return self.each_of(f"{metric}{{{matchers}}}", *more, how=how)

    def each_of(self, query: str, *more: str, how: str = "max") -> str:
        """The same of a query that keeps the labels of its series."""
        return self.named(f"{how} by ({', '.join([*more, *self.labels])}) ({query})")

    def drift(self, matchers: str) -> str:
        """Drift evidence over its limit, 1 at least while its alert fires: an alarm empties the evidence."""
        evidence = f"calwatch_drift_evidence_ratio{{{matchers}}}"
        firing = f"(calwatch_rule_firing{{{matchers}}} == 1)"
        return (
            f"clamp_min({evidence}, 1) and on (job, instance, model, version, rule, {self.by}) {firing} or {evidence}"
        )
