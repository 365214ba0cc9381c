"""What happens, counted and timed as it happens: the counters and histograms of Prometheus."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from monitor.publish.metrics.catalogue import COUNTERS

SchedulerEvent = Literal["missed", "failed", "overlapped"]
SCHEDULER_EVENTS: tuple[SchedulerEvent, ...] = ("missed", "failed", "overlapped")
JOB_OUTCOMES = {  # by kind; further ones appear when they occur: cancelled, interrupted, outdated
    "recalibrate": ("promoted", "rejected", "failed", "retried"), "rollback": ("done", "failed"),
    "action": ("done", "failed", "retried"),
}  # fmt: skip

_CYCLE_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_JOB_BUCKETS = (0.1, 0.5, 1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)


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
        self._job_seconds = Histogram(
            "calwatch_job_duration_seconds", "Time an attempt of a refit, rollback or action took.",
            ("model", "kind"), buckets=_JOB_BUCKETS, registry=None,
        )  # fmt: skip
        self._stage_seconds = Histogram(
            "calwatch_cycle_duration_seconds", "Time one stage of a cycle took for one model.",
            ("stage",), buckets=_CYCLE_BUCKETS, registry=None,
        )  # fmt: skip
        self._reload: bool | None = None
        self._reloaded_at: datetime | None = None
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
        return self._stage_seconds.labels(stage).time()

    def record_job(self, model: str, kind: str, outcome: str, seconds: float | None) -> None:
        """Count an attempt of a job that ended; ``seconds`` None: how long it ran is unknown."""
        self.increase_counter("jobs", model, kind, outcome)
        if seconds is not None:
            self._job_seconds.labels(model, kind).observe(seconds)

    def record_reload(self, successful: bool, at: datetime) -> None:
        """Record that the configuration was read, at the start or on a reload. A failed one keeps the old, and its time."""
        self._reload = successful
        if successful:
            self._reloaded_at = at

    def collect(self) -> Iterable[Metric]:
        """Called by the registry at a scrape."""
        for source in (*self._counters.values(), self._job_seconds, self._stage_seconds):
            for family in source.collect():
                family.samples = [
                    sample
                    for sample in family.samples
                    if not sample.name.endswith("_created") and sample.labels.get("model") not in self._forgotten
                ]
                if family.samples:
                    yield family
        if self._reload is not None:
            yield GaugeMetricFamily(
                "calwatch_config_last_reload_successful",
                "1 if the configuration was last read well, 0 if the last reload failed and the old one stays: run "
                "calwatch check.",
                float(self._reload),
            )
        if self._reloaded_at is not None:
            yield GaugeMetricFamily(
                "calwatch_config_last_reload_success_timestamp_seconds",
                "Unix time when the running configuration was read.",
                self._reloaded_at.timestamp(),
            )
