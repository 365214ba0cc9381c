"""Answers of the command line in tables and sentences."""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from monitor.cli.versions import find_several, name_place, tell_unknown, telling_column, version_column
from monitor.model import Alert, AlertState, Job, JobState
from monitor.model.errors import CalwatchError
from monitor.model.history import Attempt
from monitor.model.nouns import put_in_groups
from monitor.model.reasons import Code, Reason
from monitor.model.wording import describe_set_aside, interval, make_visible, minute, number, percent, signed_number
from monitor.model.words import name_kind, tell_reason, tell_trigger

if TYPE_CHECKING:  # what plays the past loads numpy, scipy and more, which most commands do without
    from monitor.engine.backtest import Playback

T = TypeVar("T")
out = Console(highlight=False, soft_wrap=not sys.stdout.isatty(), width=None if sys.stdout.isatty() else 160)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def print_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], *, numeric: Iterable[str] = ()
) -> None:
    """Print a table; columns named in ``numeric`` are set flush right."""
    shown = Table(title=title, title_justify="left", header_style="bold")
    right = set(numeric)
    for column in columns:
        shown.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        shown.add_row(*(escape(make_visible(cell)) for cell in row))
    out.print(shown)


def print_line(text: str = "") -> None:
    """One line of prose."""
    out.print(escape(make_visible(text, lines=True)), soft_wrap=True)


def print_markdown(text: str) -> None:
    """A document: set on a terminal, as it is written in a pipe."""
    if not out.is_terminal:
        sys.stdout.write(text.rstrip("\n") + "\n")
        return
    from rich.markdown import Markdown

    out.print(Markdown(text))


@contextmanager
def writing_to(target: Path, hint: str = "") -> Iterator[None]:
    """Raises CalwatchError where the block cannot write the file."""
    try:
        yield
    except OSError as error:
        raise CalwatchError(f"{target}: cannot be written: {error.strerror}", hint) from error


def print_json(value: Any) -> None:
    """The value as JSON on standard output: times in ISO 8601 with their UTC marker."""
    text = json.dumps(value, indent=2, default=_plain, ensure_ascii=False)
    sys.stdout.write(text.encode("utf-8", "replace").decode("utf-8") + "\n")


def print_answer(answer: T, tell: Callable[[T], None], *, as_json: bool) -> None:
    """Print what a command found: for machines, or as ``tell`` tells it."""
    if as_json:
        print_json(answer)
    else:
        tell(answer)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat() + ("" if value.tzinfo else "+00:00")
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)


def print_note(message: str, hint: str) -> None:
    """Print what is to be known beside the answer as ``note:`` and ``try:`` on standard error."""
    _print_with_hint("[bold yellow]note:[/]", message, hint)


def print_error(message: str, hint: str) -> None:
    """Print ``error:`` and ``try:`` on standard error."""
    _print_with_hint("[bold red]error:[/]", message, hint)


def _print_with_hint(word: str, message: str, hint: str) -> None:
    for line in message.split("\n"):
        err.print(f"{word} {escape(make_visible(line))}")
    if hint:
        err.print(f"[bold]try:[/] {escape(hint)}")


Row = Mapping[str, Any]


@contextmanager
def show_progress(first: datetime, last: datetime, what: str) -> Iterator[Callable[[datetime], None]]:
    """A bar of simulated time on a terminal; nothing in a pipe."""
    if not sys.stderr.isatty():
        yield lambda now: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[day]}"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=(last - first).total_seconds(), day="")
        yield lambda now: bar.update(task, completed=(now - first).total_seconds(), day=f"{now:%Y-%m-%d}")


def tell_status(answers: Mapping[str, Any]) -> None:
    """Models in a table, then what fails, fires, is unknown, who is in charge, and troubles with labels and sources."""
    print_line(f"as of {minute(answers['published_at'])} UTC")
    if answers["played"]:
        print_line("PLAYED: a demo or a backtest on a simulated clock, nothing live")
    if answers["models"]:
        _tell_models(answers["models"])
    for line in _status_lines(answers):
        print_line(line)


def _status_lines(answers: Mapping[str, Any]) -> Iterator[str]:
    from monitor.sources.remedies import tell_remedy

    for model, silence in answers["silent"].items():
        yield f"{model}: {silence}"
    for row in answers["failing"]:
        yield f"FAILED {row['model']}, every cycle since {minute(row['since'])} UTC, so its numbers are old: {row['problem']}"
    several = find_several((*answers["versions"], *answers["firing"], *answers["unknown"]))
    for row in answers["firing"]:
        yield f"FIRING [{row['severity']}] {row['model']} {row['rule']} on {name_place(row, several)}: {_explained(row)}"
    if not answers["firing"]:
        yield "no alert fires"
    yield from tell_unknown(answers["unknown"], several)
    for row in answers["calibrators"]:
        yield (
            f"in charge of {row['model']} {row['scope']}: {row['id']} ({row['method']}, fitted {minute(row['fitted_at'])}, "
            f"promoted {minute(row['promoted_at'])})"
        )
    yield from map(_threshold, answers["thresholds"])
    for row in answers["label_delays"]:
        if row["depends"]:
            yield f"WARNING {row['model']}: {row['finding']}"
        elif row["depends"] is None and row["model"] not in answers["waiting"]:
            yield f"UNKNOWN {row['model']}: {row['finding']}"
    for row in answers["group_spans"]:
        yield f"{'WARNING' if row['suspicious'] else 'groups of'} {row['model']}: {row['finding']}"
    for row in answers["folded"]:
        yield f"WARNING {row['model']}: {row['finding']}"
    for row in answers["waiting_labels"]:
        if row["finding"]:
            yield f"{'WARNING' if row['suspicious'] else 'labels of'} {row['model']}/{row['source']}: {row['finding']}"
    for row in answers["files_set_aside"]:
        yield f"SET ASIDE {row['model']}/{row['source']}: {describe_set_aside(row['item'], row['reason'], row['remedy'])}"
    for row in answers["troubles"]:
        yield f"source {row['model']}/{row['source']}, {minute(row['noted_at'])}: {row['problem']}"
    for row in answers["quarantined"]:
        remedy = tell_remedy(row["reason"])
        newest = minute(row["newest_at"])
        yield f"quarantined {row['model']}/{row['source']}: {row['rows']:,} × {row['reason']}, newest {newest}{remedy}"


def _threshold(row: Row) -> str:
    """What a scope's threshold is by its policy, or that there is none."""
    if row["kept"] is False:
        return f"NO THRESHOLD of {row['model']} {row['scope']} can promise {row['policy']}: best bound {number(row['best'])}"
    if row["threshold"] is None:
        return f"NO THRESHOLD of {row['model']} {row['scope']}: {row['reason']}"
    sure = f", kept with {100 * row['confidence']:g} % confidence when it was chosen" if row["kept"] else ""
    return f"threshold of {row['model']} {row['scope']}: {number(row['threshold'], 4)} by {row['policy']}{sure}"


def _tell_models(rows: Sequence[Row]) -> None:
    print_table(
        "models",
        ("model", "version", "window", "samples", "labelled", "ECE", "95 % interval", "gap", "firing", "pending", "unknown"),
        (
            (
                row["model"], row["version"] or "–", row["window"], _counted(row), percent(row["label_coverage"]),
                "insufficient" if row["state"] != "ok" else number(row["ece"]),
                interval(row["ece_lower"], row["ece_upper"]), signed_number(row["calibration_gap"]), str(row["firing"]),
                str(row["pending"]), str(row["unknown"]),
            )
            for row in rows
        ),
        numeric=("samples", "labelled", "ECE", "gap", "firing", "pending", "unknown"),
    )  # fmt: skip


def _counted(row: Row) -> str:
    """Samples, and in how many groups: in one cell, which breaks between them where there is little room."""
    return put_in_groups(row["samples"], row["groups"], row["group_noun"])


def _explained(row: Row) -> str:
    """The reason of an alert that fires as sentences, with its onset where they do not name it yet."""
    names_onset = row["onset"] is None or row["code"] == Code.DRIFT
    return f"{row['reason']}." if names_onset else f"{row['reason']}. It began about {minute(row['onset'])} UTC."


def tell_slices(rows: Sequence[Row]) -> None:
    """Readings in a table."""
    if not rows:
        print_line("no readings yet; what came in: calwatch status, what could: calwatch check")
        return
    print_table(
        "slices, worst first (by the lower bound of ECE)",
        (
            "model", *version_column(rows), "slice", "window", "samples", "ECE", "debiased", "95 % interval", "by luck", "gap",
            "Brier", "AUROC",
        ),
        (
            (
                row["model"], *version_column(rows, row["version"]), row["slice"], row["window"], _counted(row),
                "insufficient" if row["state"] != "ok" else number(row["ece"]), number(row["ece_debiased"]),
                interval(row["ece_lower"], row["ece_upper"]), number(row["ece_null_quantile"]),
                signed_number(row["calibration_gap"]), number(row["brier_score"]), number(row["auroc"]),
            )
            for row in rows
        ),
        numeric=("samples", "ECE", "debiased", "by luck", "gap", "Brier", "AUROC"),
    )  # fmt: skip
    print_line("by luck: the ECE that 5 % of perfectly calibrated slices of this size would exceed")


def tell_jobs(rows: Sequence[Row]) -> None:
    """Each job on a line, its reasons below."""
    if not rows:
        print_line("no jobs yet")
    for row in rows:
        print_line(
            f"{minute(row['requested_at'])}  {row['kind']} {row['model']} {row['scope']}  {row['state']}  "
            f"({row['trigger']})  id {row['id']}"
        )
        for reason in row["reasons"]:
            print_line(f"    {reason}")


def tell_attempts(attempts: Sequence[Attempt]) -> None:
    """Each attempt of a job on a line, the output kept of it below."""
    for each in attempts:
        took = "" if each.seconds is None else f" in {each.seconds:.1f} s"
        memory = "" if each.peak_memory is None else f", {each.peak_memory / 1e6:,.0f} MB"
        print_line(f"  attempt {each.attempt}, {minute(each.started_at)}: {each.outcome}{took}{memory}")
        for line in (each.output or "").splitlines():
            print_line(f"    | {line}")


def tell_backtest(played: "Playback", directory: Path) -> None:
    """All of a backtest: rows taken, alerts, refits, problems."""
    from monitor.store.published.snapshot import SNAPSHOT

    print_line(f"played {minute(played.began)} to {minute(played.ended)} UTC in {played.ticks:,} cycles")
    tell_pulled(played)
    if not played.absent:
        tell_alerts(played.alerts)
        tell_refits(played.jobs)
    for message in dict.fromkeys(problem.message for problem in played.problems):
        print_line(f"source problem: {message}")
    if not played.absent:
        print_line(f"its state: {directory} (DuckDB: {directory / SNAPSHOT})")


def tell_pulled(played: "Playback") -> None:
    """What each model's sources brought."""
    for model, pulled in played.pulled.items():
        if not pulled.rows:
            print_line(f"{model}: no rows in this time; what there is: calwatch check")
            continue
        print_line(
            f"{model}: {pulled.rows:,} rows, {pulled.new:,} new, {pulled.labelled:,} labelled later, "
            f"{pulled.duplicates:,} duplicates, {pulled.corrected:,} corrected, "
            f"{sum(pulled.quarantined.values()):,} quarantined"
        )
        if counts := [f"{count:,} {reason}" for reason, count in sorted(pulled.quarantined.items())]:
            print_line(f"    quarantined: {', '.join(counts)}")


def tell_alerts(alerts: Sequence[Alert]) -> None:
    """Each time an alert fired, with when it resolved."""
    fired = [alert for alert in alerts if alert.state is AlertState.FIRING]
    resolved = {(alert.model, alert.rule, alert.version, alert.slice, alert.fired_at): alert for alert in alerts
                if alert.state is AlertState.RESOLVED}  # fmt: skip
    if not fired:
        print_line("no alert would have fired")
        return
    several = len({alert.model for alert in fired}) > 1
    versions = find_several({"model": alert.model, "version": alert.version} for alert in fired)
    print_table(
        "alerts",
        (
            *telling_column(several), *telling_column(bool(versions), "version"), "rule", "severity", "slice",
            "began (estimate)", "fired", "resolved", "reason when it fired",
        ),
        (
            (
                *telling_column(several, alert.model), *telling_column(bool(versions), alert.version),
                alert.rule, alert.severity.value, alert.slice.text, minute(alert.onset), minute(alert.fired_at),
                minute(end.resolved_at) if end else "still firing", alert.reason,
            )
            for alert in fired
            for end in [resolved.get((alert.model, alert.rule, alert.version, alert.slice, alert.fired_at))]
        ),
    )  # fmt: skip


def tell_refits(jobs: Sequence[Job]) -> None:
    """The promoted refits in a table, the rejected ones counted with their last reason; then rollbacks and actions."""
    for job in jobs:
        if job.kind == "rollback":
            print_line(f"{minute(job.finished_at)} {job.scope.text} ({job.trigger}): {'; '.join(job.reasons)}")
        if job.kind == "tune":
            said = tell_reason(job.verdict) if job.verdict else job.state.value
            print_line(f"{minute(job.finished_at)} tuning of {job.scope.text} ({job.trigger}): {said}")
    called = Counter(f"{job.action} on {job.trigger}" for job in jobs if job.kind == "action")
    jobs = [job for job in jobs if job.kind == "recalibrate"]
    promoted = [job for job in jobs if job.state is JobState.PROMOTED]
    others = [job for job in jobs if job.state is not JobState.PROMOTED]
    several = len({job.model for job in jobs}) > 1
    if promoted:
        print_table(
            "refits that the gate accepted (before → after on samples later than the fit)",
            (
                *telling_column(several), "when", "asked by", "scope", "calibrator", "ECE", "log-loss", "threshold",
                "fit + gate samples",
            ),
            ((*telling_column(several, job.model), *_refit_row(job)) for job in promoted),
        )  # fmt: skip
    print_line(f"{len(jobs):,} refits asked for, {len(promoted):,} promoted, {len(others):,} not")
    for key, count in Counter(f"{job.state.value}: {_kind_of_reason(job)}" for job in others).most_common():
        print_line(f"    {count:,} × {key}")
    for what, count in called.items():
        print_line(f"would run {count:,} × {what}")


_FEW = "too little data"
_KINDS = {  # how verdicts are counted together
    Code.GATE_SAME: "nothing to mend (the candidate equals what is in use)",
    Code.GATE_CHANCE: "improvement may be chance",
    Code.GATE_SLICE_WORSE: "a slice would become worse",
    Code.GATE_WORSE: "log-loss would be worse",
    Code.GATE_STRADDLED: "groups lie on both sides of the cut: is group_id too wide?",
    **dict.fromkeys((Code.REFIT_FEW_SAMPLES, Code.GATE_FEW_SAMPLES, Code.GATE_FEW_GROUPS, Code.GATE_NO_SAMPLES), _FEW),
}


def _kind_of_reason(job: Job) -> str:
    """By the first reason that turned it down: methods not chosen, and thresholds, are told beside it."""
    if job.verdict is None:
        last = job.why[-1] if job.why else Reason.from_text("no reason recorded")
        return tell_reason(last) if last.code else name_kind(last)
    return _KINDS.get(Code(job.verdict.code)) or tell_reason(job.verdict, bare=True)


def _refit_row(job: Job) -> tuple[str, ...]:
    record = job.refit
    assert record is not None  # it was promoted
    before, after, at = record.before, record.after, job.asked_by.at
    method = record.method
    if "temperature" in record.parameters:
        method += f" T={record.parameters['temperature']:.3f}"
    asked_by = tell_trigger(replace(job.asked_by, at=None)) + (f" {at:%Y-%m-%d}" if at else "")
    counts = (f"{span.samples:,}" for span in (record.fit, record.gate) if span)
    return (
        minute(job.finished_at), asked_by, job.scope.text, f"{record.calibrator} ({method})",
        f"{number(before['ece'])} → {number(after['ece'])}", f"{number(before['log_loss'])} → {number(after['log_loss'])}",
        "–" if record.threshold is None else f"{record.threshold:.3f}", " + ".join(counts),
    )  # fmt: skip


def backtest_json(played: "Playback") -> dict[str, Any]:
    """The same for machines."""
    return {
        "from": played.began, "to": played.ended, "cycles": played.ticks, "failures": played.failures,
        "pulled": {model: {name: getattr(pulled, name) for name in ("rows", "new", "labelled", "duplicates", "corrected")}
                   | {"quarantined": pulled.quarantined} for model, pulled in played.pulled.items()},
        "alerts": [{"model": a.model, "rule": a.rule, "slice": a.slice.text, "state": a.state.value, "at": a.evaluated_at,
                    "fired_at": a.fired_at, "onset": a.onset, "reason": a.reason} for a in played.alerts],
        "jobs": [{"id": j.id, "model": j.model, "scope": j.scope.text, "trigger": j.trigger, "state": j.state.value,
                  "finished_at": j.finished_at, "reasons": list(j.reasons), "details": dict(j.details)} for j in played.jobs],
        "problems": [problem.message for problem in played.problems],
    }  # fmt: skip
