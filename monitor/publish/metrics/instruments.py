"""What happens, counted and timed as it happens: the counters and histograms of Prometheus."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

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
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"calwatch_{name}", text, labels, registry=None)

        self._pulled = counter(
            "pulled_samples_total",
            "Rows read from a source, bad ones and repeats included. Flat for long = nothing arrives: look at the "
            "source.",
            "model", "source",
        )  # fmt: skip
        self._quarantined = counter(
            "quarantined_samples_total",
            "Rows set aside because they cannot be taken, by reason. Rising = the producer writes something wrong; the "
            "rows are in the table quarantine of metrics.duckdb.",
            "model", "reason",
        )  # fmt: skip
        self._corrected = counter(
            "corrected_samples_total",
            "Rows that replaced an earlier row of the same prediction, such as a changed label.",
            "model",
        )
        self._changed = counter(
            "changed_predictions_total",
            "Of the rows that replaced an earlier one, those with another score, slice or version. Rising = files give "
            "different predictions one sample_id, and each takes the place of the one before: calwatch status names them.",
            "model",
        )
        self._clipped = counter(
            "clipped_scores_total",
            "Scores up to 0.00001 outside [0, 1], as rounding of a softmax gives them: taken as 0 or 1.",
            "model",
        )
        self._ambiguous = counter(
            "ambiguous_times_total",
            "Times in the doubled hour of autumn that nothing told apart, taken as the later one. Write times with an offset.",
            "model",
        )
        self._problems = counter(
            "source_problems_total",
            "Times a source, or one file of it, could not be read or makes no sense as a whole, or says what it should not, by "
            "reason. Nothing is lost: the next cycle tries again what was not taken. The log names the file.",
            "model", "source", "reason",
        )  # fmt: skip
        self._cycle_failures = counter(
            "cycle_failures_total",
            "Cycles that failed for a model; the other models go on. Rising = its numbers are old: read the log. "
            'model="all": metrics.duckdb could not be replaced.',
            "model",
        )
        self._rule_failures = counter(
            "rule_evaluation_failures_total",
            "Evaluations of a rule that failed. Rising = the rule watches nothing: read the log, mend the rule.",
            "model", "rule",
        )  # fmt: skip
        self._jobs = counter(
            "jobs_total",
            "Attempts of refits, rollbacks and actions that ended, by outcome. rejected = the gate said no, with its "
            "reasons on the page; retried, interrupted, outdated = queued again.",
            "model", "kind", "outcome",
        )  # fmt: skip
        self._scheduler = counter(
            "scheduler_events_total",
            "Runs of the scheduler that went wrong: missed (started too late), failed, overlapped (the one before "
            "still ran). overlapped rising = a cycle takes longer than its interval.",
            "kind",
        )
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
            self._scheduler.labels(kind)
        registry.register(self)

    def expect(
        self, model: str, *, sources: Iterable[str] = (), rules: Iterable[str] = (),
        quarantine_reasons: Iterable[str] = (), problem_reasons: Iterable[str] = (),
    ) -> None:  # fmt: skip
        """Start the counters of a model at 0: ``increase()`` does not see a series that is born at 1.

        Rules that a reload took out lose theirs.
        """
        self._forgotten -= {model}
        for each in (self._corrected, self._changed, self._clipped, self._ambiguous):
            each.labels(model)
        self._cycle_failures.labels(model)
        for kind, outcomes in JOB_OUTCOMES.items():
            for outcome in outcomes:
                self._jobs.labels(model, kind, outcome)
        rules = set(rules)
        for rule in rules:
            self._rule_failures.labels(model, rule)
        for name, rule in self._rules_of(model) - {(model, rule) for rule in rules}:
            self._rule_failures.remove(name, rule)  # alerts take its series for the sign that rules watch the model
        for reason in quarantine_reasons:
            self._quarantined.labels(model, reason)
        problem_reasons = tuple(problem_reasons)
        for source in sources:
            self._pulled.labels(model, source)
            for reason in problem_reasons:
                self._problems.labels(model, source, reason)

    def _rules_of(self, model: str) -> set[tuple[str, str]]:
        held = {
            (sample.labels["model"], sample.labels["rule"])
            for family in self._rule_failures.collect()
            for sample in family.samples
        }
        return {each for each in held if each[0] == model}

    def forget(self, model: str) -> None:
        """Expose nothing of a model that a reload took out, until it is expected again; its counts then go on."""
        self._forgotten |= {model}

    def pulled(self, model: str, source: str, rows: int) -> None:
        self._pulled.labels(model, source).inc(rows)

    def quarantined(self, model: str, reason: str, rows: int) -> None:
        self._quarantined.labels(model, reason).inc(rows)

    def corrected(self, model: str, rows: int) -> None:
        self._corrected.labels(model).inc(rows)

    def changed_predictions(self, model: str, rows: int) -> None:
        self._changed.labels(model).inc(rows)

    def clipped(self, model: str, rows: int) -> None:
        self._clipped.labels(model).inc(rows)

    def ambiguous_times(self, model: str, rows: int) -> None:
        self._ambiguous.labels(model).inc(rows)

    def source_problem(self, model: str, source: str, reason: str) -> None:
        self._problems.labels(model, source, reason).inc()

    def rule_failed(self, model: str, rule: str) -> None:
        self._rule_failures.labels(model, rule).inc()

    def cycle_failed(self, model: str) -> None:
        self._cycle_failures.labels(model).inc()

    def scheduler_event(self, kind: SchedulerEvent) -> None:
        self._scheduler.labels(kind).inc()

    def stage(self, model: str, stage: str) -> AbstractContextManager[object]:
        """Times the stage, also when it raises. ``model`` is no label: a histogram per model and stage is too many."""
        return self._stage_seconds.labels(stage).time()

    def job_finished(self, model: str, kind: str, outcome: str, seconds: float | None) -> None:
        """An attempt of a job ended; ``seconds`` None: how long it ran is unknown."""
        self._jobs.labels(model, kind, outcome).inc()
        if seconds is not None:
            self._job_seconds.labels(model, kind).observe(seconds)

    def reloaded(self, successful: bool, at: datetime) -> None:
        """The configuration was read, at the start or on a reload. A failed one keeps the old, and its time."""
        self._reload = successful
        if successful:
            self._reloaded_at = at

    def collect(self) -> Iterable[Metric]:
        """Called by the registry at a scrape."""
        for source in (
            self._pulled, self._quarantined, self._corrected, self._changed, self._clipped, self._ambiguous, self._problems,
            self._cycle_failures, self._rule_failures,
            self._jobs, self._scheduler, self._job_seconds, self._stage_seconds,
        ):  # fmt: skip
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
