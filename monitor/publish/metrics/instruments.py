"""What happens, counted and timed as it happens: the counters and histograms of Prometheus."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from monitor.publish.metrics.catalogue import CONFIGURATION, COUNTERS, HISTOGRAMS

SchedulerEvent = Literal["missed", "failed", "overlapped"]
SCHEDULER_EVENTS: tuple[SchedulerEvent, ...] = ("missed", "failed", "overlapped")
JOB_OUTCOMES = {  # by kind; further ones appear when they occur: cancelled, interrupted, outdated
    "recalibrate": ("promoted", "rejected", "failed", "retried"),
    "tune": ("promoted", "rejected", "failed", "retried"), "rollback": ("done", "failed"),
    "action": ("done", "failed", "retried"),
}  # fmt: skip


class Instruments:
    """All counters and histograms of one process, on the registry given, never on the global one. Thread-safe.

    It is itself the registered collector, for two reasons: the gauges about the configuration have no series until
    there is something to say, and the ``_created`` series of prometheus_client, of no use in the text format, stay out.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._counters = {
            name: Counter(f"calwatch_{name}_total", held["help"], held["labels"], registry=None)
            for name, held in COUNTERS.items()
        }
        self._histograms = {
            name: Histogram(f"calwatch_{name}", held["help"], held["labels"], buckets=held["buckets"], registry=None)
            for name, held in HISTOGRAMS.items()
        }
        self._configuration: dict[str, float] = {}
        self._forgotten: frozenset[str] = frozenset()
        for kind in SCHEDULER_EVENTS:
            self._counters["scheduler_events"].labels(kind)
        registry.register(self)

    def expect_model(
        self, model: str, *, sources: Iterable[str] = (), rules: Iterable[str] = (),
        quarantine_reasons: Iterable[str] = (), problem_reasons: Iterable[str] = (),
    ) -> None:  # fmt: skip
        """Start the counters of a model at 0: ``increase()`` does not see a series that is born at 1.

        Rules that a reload took out lose theirs.
        """
        self._forgotten -= {model}
        for name, held in COUNTERS.items():
            if held["labels"] == ["model"]:
                self._counters[name].labels(model)
        for kind, outcomes in JOB_OUTCOMES.items():
            for outcome in outcomes:
                self._counters["jobs"].labels(model, kind, outcome)
        failures, expected = self._counters["rule_evaluation_failures"], set(rules)
        for rule in expected:
            failures.labels(model, rule)
        for rule in self._rules_of(model) - expected:
            failures.remove(model, rule)  # alerts take its series for the sign that rules watch the model
        for reason in quarantine_reasons:
            self._counters["quarantined_samples"].labels(model, reason)
        problem_reasons = tuple(problem_reasons)
        for source in sources:
            self._counters["pulled_samples"].labels(model, source)
            for reason in problem_reasons:
                self._counters["source_problems"].labels(model, source, reason)

    def _rules_of(self, model: str) -> set[str]:
        samples = (each for family in self._counters["rule_evaluation_failures"].collect() for each in family.samples)
        return {sample.labels["rule"] for sample in samples if sample.labels["model"] == model}

    def forget_model(self, model: str) -> None:
        """Expose nothing of a model that a reload took out, until it is expected again; its counts then go on."""
        self._forgotten |= {model}

    def increase_counter(self, counter: str, *labels: str, by: int = 1) -> None:
        """Add ``by`` to a counter of COUNTERS, in the series with these labels, in the order of the catalogue."""
        self._counters[counter].labels(*labels).inc(by)

    def time_stage(self, stage: str) -> AbstractContextManager[object]:
        """Time the stage, also when it raises. The model is no label: a histogram per model and stage is too many."""
        return self._histograms["cycle_duration_seconds"].labels(stage).time()

    def record_job(self, model: str, kind: str, outcome: str, seconds: float | None) -> None:
        """Count an attempt of a job that ended; ``seconds`` None: how long it ran is unknown."""
        self.increase_counter("jobs", model, kind, outcome)
        if seconds is not None:
            self._histograms["job_duration_seconds"].labels(model, kind).observe(seconds)

    def record_reload(self, successful: bool, at: datetime) -> None:
        """Record that the configuration was read, at the start or on a reload. A failed one keeps the old, and its time."""
        self._configuration["config_last_reload_successful"] = float(successful)
        if successful:
            self._configuration["config_last_reload_success_timestamp_seconds"] = at.timestamp()

    def collect(self) -> Iterable[Metric]:
        """Called by the registry at a scrape."""
        for source in (*self._counters.values(), *self._histograms.values()):
            for family in source.collect():
                family.samples = [
                    sample
                    for sample in family.samples
                    if not sample.name.endswith("_created") and sample.labels.get("model") not in self._forgotten
                ]
                if family.samples:
                    yield family
        for name, value in self._configuration.items():
            yield GaugeMetricFamily(f"calwatch_{name}", CONFIGURATION[name], value)
