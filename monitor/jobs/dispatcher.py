"""Jobs from queue to outcome: started when due, one at a time in their lane, their results applied, all of it on record.

A tick hands a refit's inputs to the runner; when the runner has the outcome, now or some ticks later, it is applied in one
transaction. Nothing a job does shows before that, so a job that dies has changed nothing.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from time import perf_counter

import duckdb

from monitor.config.settings import Config
from monitor.jobs.actions.delivery import Delivery, DeliveryResult
from monitor.jobs.actions.routing import job_calls, subjects_of
from monitor.jobs.queue import (
    INTERRUPTIONS,
    OPEN,
    after_failure,
    as_before,
    begin_attempt,
    due_jobs,
    enqueue_jobs,
    is_by_hand,
    log_attempt,
    refits_wait_elsewhere,
    requeue_interrupted,
)
from monitor.jobs.runners import Runner
from monitor.jobs.tuning import ask_for_tuning, conclude_tuning, gather_tuning, record_tuned, write_tuned
from monitor.jobs.work import Breakdown, Work, WorkResult, action_work, refit_work, tune_work
from monitor.model import Job, JobState, Slice
from monitor.model.errors import CalwatchError, StoreError
from monitor.model.reasons import Code, Reason
from monitor.recalibration.inputs import conclude_job, gather_inputs, record_accepted, write_accepted
from monitor.recalibration.refit import Refit
from monitor.recalibration.registry import load_charge, roll_back_calibrator, write_files
from monitor.recalibration.tuning.tune import Tuned
from monitor.store.connection import is_ctrl_c, transaction
from monitor.store.damage import refuse_damage
from monitor.store.model_store import ModelStore
from monitor.store.readings import load_jobs, store_job

# Of the refits that rules and schedules ask for, a cycle starts so many, the widest scopes first, and none inside a scope
# that it has just refitted: what is left to mend there shows in the next. Scores that are off everywhere make every slice
# ask at once; pulls and alerts need not wait for all of them.
REFITS_A_CYCLE = 3
RETRIED, INTERRUPTED, OUTDATED = "retried", "interrupted", "outdated"  # outcomes of an attempt that did not end its job


@dataclass(frozen=True, slots=True)
class EndedAttempt:
    """An attempt that ended. ``outcome``: the job's state, or that it is queued again, and why."""

    job: Job
    outcome: str
    seconds: float | None = None
    trace: str = ""  # of a mistake of ours

    @property
    def is_over(self) -> bool:
        """Whether the job ended with it."""
        return self.outcome not in (RETRIED, INTERRUPTED, OUTDATED)


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """The jobs of one model in one tick."""

    store: ModelStore
    config: Config
    runner: Runner
    now: datetime
    end: datetime  # labelled samples observed before then are mature
    chosen: Callable[[Job], bool] = field(default=lambda job: True)  # which of the jobs that are due may start

    def advance_jobs(self) -> Iterator[EndedAttempt]:
        """Take what has ended, start what is due, until nothing is left to do now; yields each attempt that ended.

        Of refits that nobody asked for by hand it starts at most ``REFITS_A_CYCLE``, of scopes apart from each other.
        A mistake of ours while a job is prepared or applied is recorded, and raised. Raises duckdb.InterruptException and
        FatalException, and DamageError, which leave the job as running, to be queued again as interrupted.
        """
        running = [work.job for work in self.runner.running_work()]
        for job in requeue_interrupted(
            self.store.connection, self.store.model.name, self.now, limit=self._interruptions, running=running,
            begun=lambda job: job.kind != "action" or self.runner.had_begun(job.id),
        ):  # fmt: skip
            yield EndedAttempt(job, INTERRUPTED if job.state is JobState.QUEUED else job.state.value)
        yield from self._take()
        has_turn, refitted = self._take_turn(), list[Slice]()
        while True:
            while (begun := self._start_next(has_turn, refitted)) is not None:
                if begun.job.kind == "recalibrate" and not is_by_hand(begun.job):
                    refitted.append(begun.job.scope)
                if begun.outcome != JobState.RUNNING.value:
                    yield begun
                yield from self._take()
            tried = yield from self._deliver()
            if not (self.runner.wait_deliveries() or tried):
                break
            yield from self._take()
        # the files follow the database, also when a crash or a person left them behind: what is promoted stays promoted,
        # and a current.json that cannot be written now is written by the next cycle
        write_files(self.store.connection, self.config.state_dir, self.store.model.name, None)

    def _take_turn(self) -> bool:
        """Return whether this model may start refits in this tick: not while one runs, nor right after one if others wait."""
        if any(work.lane == f"{self.store.model.name}/refit" for work in self.runner.running_work()):
            return False
        # passed once, whether or not anybody takes it
        passes = self.runner.forget_last_refit(self.store.model.name)
        return not (passes and refits_wait_elsewhere(self.store.connection, self.store.model.name, self.now))

    def _deliver(self) -> Generator[EndedAttempt, None, bool]:
        """Hand every delivery that is due to the runner, which carries out several at once; returns whether there were any.

        What is told of one alert goes out in its order: it waits while something earlier is under way, or to be tried again.
        """
        found = load_jobs(self.store.connection, self.store.model.name, states=OPEN)
        deliveries = sorted((job for job in found if job.kind == "action"), key=lambda job: (job.requested_at, job.id))
        begun, tried = set[tuple[object, ...]](), False
        for job in deliveries:
            subjects = subjects_of(job)
            is_due = job.next_attempt_at is None or job.next_attempt_at <= self.now
            if begun.isdisjoint(subjects) and job.state is JobState.QUEUED and is_due:
                tried = True
                ended = self._guarded(job, self._start)
                if ended.outcome != JobState.RUNNING.value:
                    yield ended
                yield from self._take()
            begun |= subjects
        return tried

    def _interruptions(self, job: Job) -> int | None:
        """How many a job may have: those that only send words do not end calwatch, whatever does."""
        if job.kind != "action":
            return INTERRUPTIONS
        kind = next((each.kind for each in self.config.action if each.name == job.action), "command")
        return INTERRUPTIONS if kind == "command" else None

    def _attempts(self, job: Job) -> int:
        if job.kind == "action":
            return next((each.attempts for each in self.config.action if each.name == job.action), 1)
        return self.store.model.recalibration.attempts

    def count_waiting(self) -> int:
        """How many refits are due and wait for a later cycle, though none of this model runs."""
        if any(work.lane == f"{self.store.model.name}/refit" for work in self.runner.running_work()):
            return 0
        return sum(
            job.kind in ("recalibrate", "tune")
            for job in due_jobs(self.store.connection, self.store.model.name, self.now)
        )

    def _start_next(self, has_turn: bool, refitted: Sequence[Slice]) -> EndedAttempt | None:
        """Start the first refit or rollback that is due and has its lane free; None when there is none. Returns how that went.

        ``refitted``: scopes of the refits that this tick began, save those asked for by hand.
        """
        busy = {work.lane for work in self.runner.running_work()}
        refits = sum(work.is_refit for work in self.runner.running_work())
        is_free = (
            has_turn and f"{self.store.model.name}/refit" not in busy and refits < self.config.monitor.parallel_refits
        )
        due = filter(self.chosen, due_jobs(self.store.connection, self.store.model.name, self.now))
        for job in sorted(due, key=lambda job: job.kind != "rollback"):
            if job.kind == "rollback":
                return self._guarded(job, self._finish_rollback)
            if job.kind == "action" or not is_free or not (is_by_hand(job) or _is_next(job, refitted)):
                continue
            return self._guarded(job, self._start)
        return None

    def _guarded(self, job: Job, step: Callable[[Job], EndedAttempt]) -> EndedAttempt:
        """Begin an attempt and take one step of it; what goes wrong ends the attempt."""
        job = begin_attempt(self.store.connection, job, self.now)
        return self._or_failed(job, lambda: step(job))

    def _or_failed(self, job: Job, step: Callable[[], EndedAttempt], report: WorkResult | None = None) -> EndedAttempt:
        try:
            return step()
        except (duckdb.InterruptException, duckdb.FatalException):
            raise
        except (duckdb.Error, OSError, StoreError) as error:
            refuse_damage(error, self.config.state_dir)
            return self._failed(job, f"{type(error).__name__}: {str(error).splitlines()[0]}", True, report)
        except (CalwatchError, ValueError) as error:
            return self._failed(job, str(error), False, report)
        except Exception as error:  # a mistake of ours: told by the cycle, and not to come back with every cycle
            if is_ctrl_c(error):
                raise
            self._failed(job, f"{error!r}", False, report)
            raise

    def _start(self, job: Job) -> EndedAttempt:
        self.runner.start(self._work(job))
        return EndedAttempt(job, JobState.RUNNING.value)

    def _work(self, job: Job) -> Work:
        if job.kind == "recalibrate":
            task = gather_inputs(self.store, job, self.now, self.end)
            return refit_work(job.id, task)
        if job.kind == "tune":
            return tune_work(job.id, gather_tuning(self.store, job, self.now, self.end))
        payload = job.payload
        action = next((each for each in self.config.action if each.name == job.action), None)
        if action is None or payload is None:
            raise CalwatchError(f'the configuration has no action "{job.action}" any more')
        delivery = Delivery(
            action, payload, job.id, job.attempts, self.now, self.config.base, self.config.state_dir,
            self.config.monitor.external_url,
        )  # fmt: skip
        return action_work(job.id, self.store.model.name, delivery)

    def _take(self) -> Iterator[EndedAttempt]:
        """Apply what the runner has brought to an end."""
        for report in self.runner.take_finished(self.store.model.name):
            found = load_jobs(self.store.connection, self.store.model.name, states=(JobState.RUNNING,))
            job = next((job for job in found if job.id == report.work.job), None)
            if job is not None:
                yield self._or_failed(job, partial(self._apply, job, report), report)

    def _apply(self, job: Job, report: WorkResult) -> EndedAttempt:
        match report.result:
            case Refit() as found:
                return self._apply_refit(job, found, report)
            case Tuned() as tuned:
                return self._apply_tuning(job, tuned, report)
            case DeliveryResult(done=True) as told:
                state = JobState.WOULD_RUN if self.runner.rehearsal else JobState.DONE
                why = (Reason.of(Code.DELIVERED, text=told.message),)
                done = replace(job, state=state, finished_at=self.now, why=why)
                return self._end(job, lambda: done, report, output=told.output)
            case DeliveryResult() as told:
                return self._failed(job, told.message, told.may_pass, report, told.wait, told.output)
            case Breakdown() as broken:
                return self._failed(job, broken.message, broken.may_pass, report, trace=broken.trace)

    def _apply_refit(self, job: Job, found: Refit, report: WorkResult) -> EndedAttempt:
        if not self._is_as_it_began(report):
            # the calibrator it was judged against is in charge no more: judged again, as if it had not begun
            return self._end(job, lambda: as_before(job, Code.OUTDATED), report, outcome=OUTDATED)
        write_accepted(self.store.connection, self.config.state_dir, self.store.model, found)

        def accept() -> Job:
            ask_for_tuning(self.store, job, found, self.now)
            record_accepted(self.store, found, self.now)
            return conclude_job(job, found, report.work.notes, self.now)

        return self._end(job, accept, report)

    def _apply_tuning(self, job: Job, found: Tuned, report: WorkResult) -> EndedAttempt:
        if not self._is_as_it_began(report):
            return self._end(job, lambda: as_before(job, Code.OUTDATED), report, outcome=OUTDATED)
        write_tuned(self.store, self.config.state_dir, found)

        def accept() -> Job:
            record_tuned(self.store, found, self.now)
            return conclude_tuning(job, found, report.work.notes, self.now)

        return self._end(job, accept, report)

    def _is_as_it_began(self, report: WorkResult) -> bool:
        charge = load_charge(self.store.connection, self.store.model.name)
        return {scope.text: id_ for scope, (id_, _) in charge.items()} == report.work.basis

    def _finish_rollback(self, job: Job) -> EndedAttempt:
        began = perf_counter()
        ended = self._end(
            job, lambda: roll_back_calibrator(self.store.connection, self.config.state_dir, job, self.now)
        )
        return replace(ended, seconds=perf_counter() - began)

    def _failed(
        self, job: Job, problem: str, may_pass: bool, report: WorkResult | None = None, wait: timedelta | None = None,
        output: str = "", trace: str = "",
    ) -> EndedAttempt:  # fmt: skip
        after = after_failure(job, problem, self.now, attempts=self._attempts(job), may_pass=may_pass, wait=wait)
        return replace(self._end(job, lambda: after, report, output=output), trace=trace)

    def _end(
        self, job: Job, finish: Callable[[], Job], report: WorkResult | None = None, *, outcome: str = "", output: str = ""
    ) -> EndedAttempt:  # fmt: skip
        """Put on record in one transaction what ``finish`` makes of a job, its attempt, and the actions that its end calls."""
        connection = self.store.connection
        with transaction(connection):
            after = finish()
            outcome = outcome or (RETRIED if after.state is JobState.QUEUED else after.state.value)
            store_job(connection, after)
            why = after.why[-1] if after.why else Reason("")
            log_attempt(connection, job, self.now, outcome, why, report, output)
            enqueue_jobs(connection, job_calls(self.config.action, after, self.now))
        return EndedAttempt(after, outcome, report.seconds if report else None)


def _is_next(job: Job, refitted: Sequence[Slice]) -> bool:
    """Whether a refit may follow those of this cycle in it."""
    return len(refitted) < REFITS_A_CYCLE and not any(scope.contains(job.scope) for scope in refitted)
