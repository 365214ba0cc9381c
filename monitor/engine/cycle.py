"""One tick of calwatch, stage by stage: the story of the program.

    pull → measure → weigh → judge → recalibrate → fold → delays → publish

Each stage calculates and returns values; this module performs the effects, one transaction a stage. A model that fails
is logged, counted and marked unhealthy; the others go on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import duckdb
import structlog

from monitor.config.cron import latest_due
from monitor.config.settings import MEND, Config, Model, read_config
from monitor.engine.stages.drift import weigh_evidence
from monitor.engine.stages.groups import name_groups
from monitor.engine.stages.intake import Intake, watch_intake
from monitor.engine.stages.judge import RuleResults, evaluate_rules, last_seen_of_slices
from monitor.engine.stages.label_delays import add_caveat, watch_delays
from monitor.engine.stages.live import measure_windows, seen_of
from monitor.engine.stages.measure import window_end
from monitor.jobs import requests
from monitor.jobs.dispatcher import Dispatcher, EndedAttempt
from monitor.jobs.queue import cancel_job, enqueue_jobs
from monitor.jobs.runners import InlineRunner, Runner
from monitor.model import Disparity, Evidence, Job, LabelDelays, ModelStatus, Published, Reading, Slice, ThresholdInUse
from monitor.model.errors import ConfigError, StoreError
from monitor.model.problems import cut_text
from monitor.model.reasons import Code, Reason, Trigger, TriggerKind
from monitor.model.refits import job_of
from monitor.model.words import tell_reason
from monitor.publish.metrics.instruments import Instruments
from monitor.recalibration.guard import run_guards
from monitor.recalibration.recall import forget_recall
from monitor.recalibration.registry import calibrators_in_use, load_intervals
from monitor.rules.boxes import fit_boxes
from monitor.rules.offered import read_rules
from monitor.rules.pack import Rulebook
from monitor.rules.state import Observations
from monitor.rules.windows import fit_windows
from monitor.sources.batch import Source
from monitor.sources.isolation.set_aside import load_set_aside
from monitor.sources.pull import SOURCE_FAILED, configured_sources, pull_sources
from monitor.sources.pulled import Pulled
from monitor.statistics.drift.onset import bucket_residuals, estimate_onset
from monitor.store import readings as rows
from monitor.store.cells import fold_and_drop, load_bucket_cells
from monitor.store.connection import is_ctrl_c, make_aware, transaction
from monitor.store.damage import refuse_damage
from monitor.store.folded import load_folded
from monitor.store.label_delays import load_label_delays
from monitor.store.model_store import ModelStore
from monitor.store.played import is_played
from monitor.store.published.snapshot import Publisher
from monitor.store.scores.largest_errors import store_largest_errors
from monitor.store.seen.lists import list_objects
from monitor.store.thresholds import load_thresholds

log = structlog.get_logger("calwatch")
SHOWN_JOBS = 50
SourcesOf = Callable[[Model], Sequence[Source]]
Basis = tuple[datetime, object, tuple[ThresholdInUse, ...]]  # end of the windows, revision of the cells, thresholds


@dataclass(slots=True)
class WatchedModel:
    """One model with what is built from its configuration, and what the last tick left to compare with."""

    model: Model
    rulebook: Rulebook
    sources: Sequence[Source]
    measured: Basis | None = None  # what the newest readings were computed from
    guarded: Basis | None = None  # and what promoted calibrators were last compared on
    readings: tuple[Reading, ...] = ()
    disparities: tuple[Disparity, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    delays: LabelDelays | None = None
    intake: Intake = field(default_factory=Intake)
    problem: Reason | None = None
    succeeded: dict[str, datetime] = field(default_factory=dict)  # last success by stage, also across restarts
    logged: set[str] = field(default_factory=set)  # problems already logged


@dataclass(slots=True)
class Tick:
    """What one tick did, by model."""

    pulled: dict[str, Mapping[str, Pulled]] = field(default_factory=dict)
    rule_results: dict[str, RuleResults] = field(default_factory=dict)
    jobs: dict[str, tuple[Job, ...]] = field(default_factory=dict)
    published: Published = field(init=False)

    @property
    def failed(self) -> dict[str, str]:
        return {model.name: model.problem for model in self.published.models if model.problem is not None}


def build_watched(config: Config, sources_of: SourcesOf | None = None, own: Sequence[str] = ()) -> list[WatchedModel]:
    """Build all of the configuration. Raises ConfigError with its ``own`` mistakes and those of all rule packs."""
    read, mistakes = read_rules(config)
    if own or mistakes:
        raise ConfigError([*own, *mistakes], MEND)
    build = sources_of or (lambda model: configured_sources(model, config.base, config.state_dir))
    return [
        WatchedModel(model, fit_boxes(fit_windows(packs.make_rulebook(), model.window_names), model), build(model))
        for model, packs in zip(config.model, read, strict=True)
    ]


def load_watched(path: Path) -> tuple[Config, list[WatchedModel]]:
    """Read the configuration with its rules. Raises ConfigError with every mistake of both at once."""
    config, mistakes = read_config(path)
    return config, build_watched(config, own=mistakes)


def tell_mapped_windows(watched: Sequence[WatchedModel]) -> None:
    """Log which windows stand in for those of shipped rules: once at each start and reload."""
    for each in watched:
        for sentence in each.rulebook.mapped:
            log.info("windows of shipped rules", model=each.model.name, mapped=sentence)


class Cycle:
    """The stages over one database. ``tick`` is the only thing that happens; time is its argument."""

    def __init__(
        self, config: Config, watched: list[WatchedModel], connection: duckdb.DuckDBPyConnection, instruments: Instruments,
        runner: Runner | None = None,
    ) -> None:  # fmt: skip
        self.config = config
        self.watched = watched
        self.connection = connection
        self.instruments = instruments
        self.runner = runner or InlineRunner()
        self.publisher = Publisher(config.state_dir)
        self.played = is_played(connection)

    def tick(self, now: datetime, *, publish: bool = True) -> Tick:
        """One cycle of every model at ``now``; with ``publish`` the snapshot for ops is replaced at the end.

        Raises duckdb.InterruptException when a stop interrupted it, duckdb.FatalException when the database must be opened
        anew, as after a checkpoint that a full disk cut short, and DamageError when bytes of the database are damaged.
        """
        done, statuses = Tick(), []
        for each in self.watched:
            name = each.model.name
            store = None
            try:
                store = ModelStore.load(self.connection, each.model, now)
                if not each.succeeded:  # after a start or a reload
                    forget_recall(store)
                    each.succeeded = rows.load_successes(self.connection, name)
                self._run_stages(each, store, now, done)
                each.problem = None
                with transaction(self.connection):
                    rows.store_successes(self.connection, name, each.succeeded)
            except (duckdb.InterruptException, duckdb.FatalException):
                raise  # asked to stop, or the database must be opened anew: rolled back, nothing is half done
            except Exception as error:  # the one boundary: a model's failure is its own, told and counted
                if is_ctrl_c(error):
                    raise KeyboardInterrupt from error
                refuse_damage(error, self.config.state_dir)
                each.problem = Reason.of(Code.CYCLE_FAILED, error=type(error).__name__, problem=cut_text(str(error)))
                log.exception("cycle failed", model=name)
                self.instruments.increase_counter("cycle_failures", name)
            statuses.append(self._status(each, store))
        unpublished = self._publish(now, {each.model.name: each.problem for each in self.watched}) if publish else None
        done.published = Published(now, tuple(statuses), unpublished, self.played)
        return done

    def _run_stages(self, each: WatchedModel, store: ModelStore, now: datetime, done: Tick) -> None:
        name = each.model.name
        done.pulled[name] = self._pull(each, store, now)
        self._measure(each, store, now)
        each.evidence = self._weigh(each, store, now)
        done.rule_results[name] = self._judge(each, store, now)
        done.jobs[name] = self._recalibrate(each, store, now)
        self._fold(each, store, now)
        each.delays = self._delays(each, store, now)

    def _publish(self, now: datetime, problems: Mapping[str, Reason | None]) -> str | None:
        """Replace the snapshot for ops; what keeps it from being replaced, for example a full disk, is returned."""
        try:
            with self.instruments.time_stage("publish"):
                self.publisher.publish(self.connection, now, problems)
        except StoreError as error:
            refuse_damage(error, self.config.state_dir)
            log.error("snapshot not published", problem=error.message, hint=error.hint)
            self.instruments.increase_counter("cycle_failures", "all")
            return error.message
        return None

    def _pull(self, each: WatchedModel, store: ModelStore, now: datetime) -> Mapping[str, Pulled]:
        """Everything new from the sources into samples and cells."""
        model = each.model
        requests.take_retries(self.connection, self.config.state_dir, model.name)
        with self.instruments.time_stage("pull"):
            serving = load_intervals(self.connection, model)
            brought = pull_sources(store, each.sources, serving, now)
        for source, pulled in brought.items():
            self._count_pull(each, source, pulled)
        problems = [problem for pulled in brought.values() for problem in pulled.problems]
        each.logged = {problem.message for problem in problems if not problem.is_listed}
        if not any(problem.reason in SOURCE_FAILED for problem in problems):
            each.succeeded["pull"] = now
        return brought

    def _count_pull(self, each: WatchedModel, source: str, pulled: Pulled) -> None:
        name = each.model.name
        self.instruments.increase_counter("pulled_samples", name, source, by=pulled.rows)
        self.instruments.increase_counter("corrected_samples", name, by=pulled.corrected)
        self.instruments.increase_counter("changed_predictions", name, by=pulled.changed_predictions)
        self.instruments.increase_counter("clipped_scores", name, by=pulled.clipped)
        self.instruments.increase_counter("ambiguous_times", name, by=pulled.ambiguous_times)
        for reason, count in pulled.quarantined.items():
            self.instruments.increase_counter("quarantined_samples", name, reason, by=count)
        for problem in (each for each in pulled.problems if each.news):
            self.instruments.increase_counter("source_problems", name, source, problem.reason)
            if problem.message not in each.logged:
                log.warning("source problem", model=name, source=source, reason=problem.reason, message=problem.message)
        if pulled.rows:
            log.info(
                "pulled", model=name, source=source, files=pulled.files, rows=pulled.rows, new=pulled.new,
                labelled=pulled.labelled, duplicates=pulled.duplicates, corrected=pulled.corrected,
                quarantined=sum(pulled.quarantined.values()),
            )  # fmt: skip

    def _measure(self, each: WatchedModel, store: ModelStore, now: datetime) -> None:
        """Cells → readings of every window and slice, and disparities; nothing where neither cells nor windows moved."""
        model = each.model
        end = window_end(now, model)
        own = {"model_id": store.model_id}
        revision = store.fetch_row("SELECT revision FROM models WHERE model_id = $model_id", own)
        thresholds = load_thresholds(self.connection, model.name)
        basis = (end, revision, thresholds)
        if basis == each.measured:
            return
        with self.instruments.time_stage("measure"):
            found, compared = measure_windows(store, each.rulebook, thresholds, end, now)
            with transaction(self.connection):
                rows.store_readings(self.connection, model.name, found)
                rows.store_disparities(self.connection, model.name, compared)
                list_objects(store, thresholds)
                store_largest_errors(store, end - max(model.windows), end)
        each.succeeded["measure"] = now
        each.readings, each.disparities, each.measured = tuple(found), tuple(compared), basis

    def _weigh(self, each: WatchedModel, store: ModelStore, now: datetime) -> tuple[Evidence, ...]:
        """Newly closed buckets into the drift evidence; again from a checkpoint where late labels changed cells."""
        with self.instruments.time_stage("weigh"):
            found = name_groups(store, weigh_evidence(store, each.rulebook, now))
        each.succeeded["weigh"] = now
        if each.delays is None:  # after a start; an answer that was unknown is looked for again
            stored = load_label_delays(self.connection, each.model.name)
            each.delays = stored if stored and stored.depends is not None else None
        return add_caveat(found, each.model, each.delays, each.intake.spans)

    def _judge(self, each: WatchedModel, store: ModelStore, now: datetime) -> RuleResults:
        """Rules on readings; the refits they ask for, those of the schedule and of people are queued."""
        model = each.model
        with self.instruments.time_stage("judge"):
            observed = Observations(
                store.load_first_seen() or now, each.readings,
                last_seen_of_slices(model, rows.load_last_seen(self.connection, store.model_id)),
                each.succeeded.get("pull"), each.evidence, each.disparities, model.counts_missed,
            )  # fmt: skip
            judged = evaluate_rules(
                model, each.rulebook, observed, rows.load_alerts(self.connection, model.name), now,
                find_onset=lambda version, slice_: self._onset(each, store, version, slice_, now), actions=self.config.action,
            )  # fmt: skip
            asked = list(requests.read_requests(self.config.state_dir, model.name, Job))
            jobs = [*judged.jobs, *self._scheduled(each, store, now), *(job for _, job in asked)]
            with transaction(self.connection):
                rows.store_alerts(self.connection, model.name, judged.alerts, judged.changed)
                enqueue_jobs(self.connection, jobs)
            for path, _ in asked:
                path.unlink(missing_ok=True)
        each.succeeded["judge"] = now
        for alert in judged.changed:
            log.info(
                "alert", model=model.name, rule=alert.rule, slice=alert.slice.text, state=alert.state.value, reason=alert.reason
            )  # fmt: skip
        for rule in judged.failed_rules:
            self.instruments.increase_counter("rule_evaluation_failures", model.name, rule)
            log.error("rule failed", model=model.name, rule=rule)
        return judged

    def _scheduled(self, each: WatchedModel, store: ModelStore, now: datetime) -> list[Job]:
        """The nightly refit and tuning when they are due; runs missed while nobody was there become one."""
        threshold = each.model.threshold
        tuning = threshold.schedule if threshold else None
        schedules = {"recalibrate": each.model.recalibration.schedule, "tune": tuning}
        found = []
        for kind, schedule in schedules.items():
            if schedule is None:
                continue
            (last,) = store.fetch_row(
                "SELECT max(requested_at) FROM jobs WHERE model = $model AND kind = $kind AND trigger_kind = 'schedule'",
                {"model": each.model.name, "kind": kind},
            )
            after = make_aware(last) if last else store.load_first_seen() or now
            due = latest_due(schedule, each.model.time_zone, after, now)
            if due is not None:
                found.append(job_of(each.model.name, kind, Trigger(TriggerKind.SCHEDULE, at=due), Slice(), due))
        return found

    def _recalibrate(self, each: WatchedModel, store: ModelStore, now: datetime) -> tuple[Job, ...]:
        """Cancel what people ask to, look at promoted calibrators, take what jobs brought, start those that are due."""
        model, end = each.model, window_end(now, each.model)
        finished = self._cancel_asked(model, now)
        if each.guarded is None or each.guarded != each.measured:
            guarded = run_guards(store, now, end)
            for note in guarded.notes:
                log.warning("calibrator not guarded", model=model.name, problem=note)
            with transaction(self.connection):
                enqueue_jobs(self.connection, guarded.rollbacks)
            each.guarded = each.measured
        dispatcher = Dispatcher(store, self.config, self.runner, now, end)
        finished += self._advance_jobs(dispatcher)
        if waiting := dispatcher.count_waiting():
            log.info("refits wait for later cycles", model=model.name, waiting=waiting)
        each.succeeded["recalibrate"] = now
        return tuple(finished)

    def _cancel_asked(self, model: Model, now: datetime) -> list[Job]:
        """Cancel the jobs of a model that people ask to; return those that had not ended."""
        finished = []
        for path, job_id in list(requests.read_requests(self.config.state_dir, model.name, str)):
            self.runner.cancel(job_id)
            if (cancelled := cancel_job(self.connection, model.name, job_id, now)) is not None:
                finished.append(self._note_ended(EndedAttempt(cancelled, cancelled.state.value)))
            path.unlink(missing_ok=True)
        return finished

    def _advance_jobs(self, dispatcher: Dispatcher) -> list[Job]:
        """Carry on with the jobs of a model; return those that ended."""
        noted = ((self._note_ended(ended), ended) for ended in dispatcher.advance_jobs())
        return [job for job, ended in noted if ended.is_over]

    def _note_ended(self, ended: EndedAttempt) -> Job:
        """Count and log an attempt that ended."""
        job = ended.job
        self.instruments.record_job(job.model, job.kind, ended.outcome, ended.seconds)
        log.info(
            "job", model=job.model, job=job.id, kind=job.kind, trigger=job.trigger, scope=job.scope.text,
            outcome=ended.outcome, attempts=job.attempts, seconds=ended.seconds and round(ended.seconds, 3),
            reasons=list(job.reasons),
        )  # fmt: skip
        if ended.trace:
            log.error("job failed by a mistake in calwatch, please report it", job=job.id, trace=ended.trace)
        return job

    def _fold(self, each: WatchedModel, store: ModelStore, now: datetime) -> None:
        with self.instruments.time_stage("fold"):
            fold_and_drop(store, now)
        each.succeeded["fold"] = now

    def _delays(self, each: WatchedModel, store: ModelStore, now: datetime) -> LabelDelays:
        """Whether label delay depends on the outcome, once a day, and what does not fit together of what came in."""
        with self.instruments.time_stage("delays"):
            found = watch_delays(store, now, each.delays)
            each.intake = watch_intake(store, now, each.intake)
        each.succeeded["delays"] = now
        return found

    def _onset(
        self, each: WatchedModel, store: ModelStore, version: str, slice_: Slice, now: datetime
    ) -> datetime | None:
        """When the slice's miscalibration most likely began; None when the evidence names no time."""
        end = window_end(now, each.model)
        start = end - each.model.recalibration.fit_window - max(each.model.windows)
        buckets, cells = load_bucket_cells(store, version, store.registry.slices_inside(slice_), start, end)
        if not buckets:
            return None
        found = estimate_onset(*bucket_residuals(cells, len(buckets)))
        return buckets[found.bucket] if found.statistic > 0 else None

    def _status(self, each: WatchedModel, store: ModelStore | None) -> ModelStatus:
        """What there is to show of a model; of one that failed, what was known before."""
        model, connection = each.model, self.connection
        return ModelStatus(
            name=model.name, task=model.task, dimensions=model.slices, min_samples=model.min_samples, group_noun=model.noun,
            last_sample_at=rows.load_last_sample(connection, model.name), longest_window=model.longest_window,
            readings=each.readings or rows.load_readings(connection, model.name), **seen_of(model, store),
            alerts=rows.load_alerts(connection, model.name), rules=tuple(each.rulebook),
            calibrators=calibrators_in_use(connection, store.model_id, model) if store else (), evidence=each.evidence,
            label_delays=each.delays, waiting_labels=each.intake.waiting, group_spans=each.intake.spans,
            folded=load_folded(connection, model.name), files_set_aside=load_set_aside(connection, model.name),
            sources=tuple(source.name for source in each.sources), thresholds=load_thresholds(connection, model.name),
            jobs=rows.load_jobs(connection, model.name, newest=SHOWN_JOBS), last_success=dict(each.succeeded),
            source_problems=tuple(sorted(each.logged)), problem=tell_reason(each.problem) if each.problem else None,
        )  # fmt: skip
