"""``calwatch check``: configuration, rule packs and the first rows of the sources, without touching the state."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import duckdb

from monitor.config.secrets import missing_secrets
from monitor.config.server import host_of, is_loopback
from monitor.config.settings import MEND, Config, Model
from monitor.engine.check.boxes import BoxTrial, find_beside
from monitor.engine.check.matched import find_odd_matches
from monitor.engine.check.unanswered import find_unanswered
from monitor.engine.check.watch import CheckWatch
from monitor.engine.cycle import WatchedModel, load_watched
from monitor.engine.http import load_certificate
from monitor.model.errors import CalwatchError, SourceError
from monitor.model.problems import Problem
from monitor.model.wording import quantity
from monitor.publish.web.access import Access
from monitor.rules.conditions import find_unseen
from monitor.sources.batch import Batch, Source
from monitor.sources.boxes.stage import SAID_BY
from monitor.sources.dry_run import Trial, tell_ages
from monitor.sources.findings import Finding, Weight
from monitor.sources.findings.joins import compare_ids
from monitor.sources.findings.rows import find_odd_pairs, keep_tried_rows
from monitor.sources.inbox import InboxSource


@dataclass(frozen=True, slots=True)
class CheckResult:
    """``mistakes`` keep calwatch from working, or make numbers that are certainly wrong; ``suspicions`` may; ``notes`` are
    worth knowing; ``sources`` say what rows can be taken of each; ``summary`` is said when all is well."""

    mistakes: list[str]
    notes: list[str]
    sources: list[str]
    summary: str
    suspicions: list[str] = field(default_factory=list)
    hint: str = MEND

    def tell(self, where: str, *findings: Finding) -> None:
        """Add what was found in a place."""
        lists = {Weight.NOTE: self.notes, Weight.SUSPICIOUS: self.suspicions, Weight.MISTAKE: self.mistakes}
        for each in findings:
            lists[each.weight].append(f"{where}: {each.text}")


def check_config(path: Path, at: datetime | None = None, watch_files: CheckWatch | None = None) -> CheckResult:
    """Look at everything. ``at``: when the rows would be pulled; None: whether they are old or ahead is not asked;
    ``watch_files``: what is known of files that cannot be read, and where to note which one is being read. Raises ConfigError
    when the configuration or a rule pack itself cannot be read."""
    config, watched = load_watched(path)
    mistakes = _server_mistakes(config)
    notes = [override for each in watched for override in each.rulebook.overrides]
    notes += [f'model "{each.model.name}": {sentence}' for each in watched for sentence in each.rulebook.mapped]
    if not config.server.tls_certificate and not is_loopback(host_of(config.monitor.listen)):
        notes.append(
            f"listens on {config.monitor.listen} without TLS: tokens can be read on the way. Set [server] tls_certificate and "
            "tls_key, or put a proxy that speaks TLS in front"
        )
    for action in config.action:
        notes += [f'action "{action.name}": {problem}' for problem in missing_secrets(action.secrets, config.base)]
    found = CheckResult(mistakes, notes, [], "")
    held = watch_files or CheckWatch()
    files = 0
    for each in watched:
        found.tell(f'model "{each.model.name}"', *find_unanswered(each.model, each.rulebook))
        with duckdb.connect(config={"memory_limit": config.monitor.memory_limit}) as connection:
            files += _try_sources(connection, each, config.base, at, found, held)
    rules = sum(len(each.rulebook) for each in watched)
    counts = (quantity(len(config.model), "model"), quantity(rules, "rule"), quantity(files, "readable file"))
    return replace(found, summary=f"fine: {', '.join(counts)}")


def _try_sources(
    connection: duckdb.DuckDBPyConnection, watched: WatchedModel, base: Path, at: datetime | None, found: CheckResult,
    held: CheckWatch,
) -> int:  # fmt: skip
    """Try the sources of one model and tell ``found`` of them; return how many files can be read."""
    connection.execute("SET TimeZone = 'UTC'")
    if watched.model.is_of_boxes:
        return _try_boxes(connection, watched, base, at, found, held)
    files, model = 0, watched.model
    trials: dict[str, list[Trial]] = {"samples": [], "labels": []}
    bare: list[str] = []  # sources whose labels need a predicted class beside them
    for source in watched.sources:
        if isinstance(source, InboxSource):
            continue  # what is there we wrote ourselves, and looked at when it came
        where = f'model "{model.name}": source "{source.name}"'
        readable, trial, told = _look(connection, model, source, base, at, held)
        files += readable
        found.tell(where, *told)
        if readable:
            zone = next(own.time_zone for own in model.source if own.name == source.name)
            found.tell(where, *trial.list_findings(at, model, zone))
        if trial.rows:
            found.sources.append(f"{where}: {trial.summary(source.holds)}")
        trials[source.holds].append(trial)
        if source.holds == "labels" and trial.bare:
            bare.append(f'"{source.name}"')
    seen = {slice_ for each in trials["samples"] for slice_ in each.slices}
    found.notes.extend(
        f'model "{model.name}": {rule.origin} "{rule.name}": only: no row tried is of it: {unseen}'
        for rule in watched.rulebook
        if (unseen := find_unseen(rule.only, seen)) is not None
    )
    predictions = sum(each.acceptable for each in trials["samples"])
    labels = sum(each.acceptable for each in trials["labels"])
    if predictions and bare and not any(each.named for each in trials["samples"]):
        found.mistakes.append(
            f'model "{model.name}": the labels of source {", ".join(bare)} are names of classes, and no prediction tried has a '
            "predicted_class to compare them with: map predicted_class in the columns of the predictions, or give outcome "
            "(0 or 1) with the labels"
        )
    if predictions and labels:
        _compare_ids(model, trials, found)
        found.tell(f'model "{model.name}": labels beside predictions', *find_odd_pairs(connection, model, at))
    tried = labels or any(each.rows for each in trials["labels"])  # those that are refused are told as such
    if predictions and not tried and not any(each.labelled for each in trials["samples"]):
        found.notes.append(
            f'model "{model.name}": no row tried has an outcome, and without any nothing can be measured: map outcome, or '
            'label and predicted_class, or add a [[model.source]] with holds = "labels"'
        )
    return files


def _try_boxes(
    connection: duckdb.DuckDBPyConnection, watched: WatchedModel, base: Path, at: datetime | None, found: CheckResult,
    held: CheckWatch,
) -> int:  # fmt: skip
    """The same of a detector: images first, by whose size it is seen which boxes lie within."""
    model, trials, files = watched.model, list[tuple[str, BoxTrial]](), 0
    for source in sorted(watched.sources, key=lambda source: SAID_BY[source.holds]):
        if isinstance(source, InboxSource):
            continue  # as above
        trial = BoxTrial(source.holds)
        readable, told = _read(connection, held, source, partial(trial.try_batch, connection, model=model, at=at))
        if not (readable or told):
            told.append(Finding(f"no file to read yet{_looked_for(model, source.name, base)}", Weight.NOTE))
        where = f'model "{model.name}": source "{source.name}"'
        found.tell(where, *told, *trial.list_findings())
        if at is not None:
            zone = next(own.time_zone for own in model.source if own.name == source.name)
            ages = tell_ages(trial.old, trial.ahead, trial.rows, at, model, zone)
            found.tell(where, *(Finding(text, Weight.NOTE) for text in ages))
        if trial.rows:
            found.sources.append(f"{where}: {trial.summary()}")
        trials.append((source.name, trial))
        files += readable
    if files:
        for name, finding in find_beside(model, trials):
            found.tell(f'model "{model.name}"' + (f': source "{name}"' if name else ""), finding)
    return files


def _compare_ids(model: Model, trials: Mapping[str, Sequence[Trial]], found: CheckResult) -> None:
    """How many of the labels tried find a prediction among those that are there."""
    predictions = [id_ for trial in trials["samples"] for id_ in trial.ids]
    compared = compare_ids(
        [id_ for trial in trials["labels"] for id_ in trial.ids], predictions,
        [group for trial in trials["samples"] for group in trial.groups],
    )  # fmt: skip
    if compared.share is None:
        return
    are_all = all(trial.ids_are_all for trial in trials["samples"])
    said = f'model "{model.name}": {compared.sentence}'
    if compared.guess or (are_all and compared.share < _JOINED):
        found.suspicions.append(said)
    else:
        found.sources.append(said)


_JOINED = 0.5  # of the labels tried that should find a prediction


_WEIGHTS = dict.fromkeys(("missing_slice_column", "missing_mapped_column"), Weight.SUSPICIOUS)
_WEIGHTS["empty_file"] = Weight.NOTE  # of problems; others are mistakes


def _look(
    connection: duckdb.DuckDBPyConnection, model: Model, source: Source, base: Path, at: datetime | None, held: CheckWatch
) -> tuple[int, Trial, list[Finding]]:  # fmt: skip
    """Read the layout of every file, and try the first rows of some; returns how many can be read, what came of the rows, and
    what is wrong, in texts that go on from the name of the source."""
    trial, apart = Trial(), any(each.holds == "labels" for each in model.source)

    def take(batch: Batch) -> None:
        trial.try_batch(connection, batch, model, source.holds)
        if apart and source.holds == "samples":
            trial.keep_ids(connection, batch)

    def finish() -> None:
        trial.inspect_tried(connection, model, source.holds, at)
        if trial.batches and source.holds == "samples":
            trial.findings += find_odd_matches(connection, model, source)
        if apart and trial.batches:
            keep_tried_rows(connection, source.holds)

    connection.execute("DROP TABLE IF EXISTS tried")  # of the source before
    files, told = _read(connection, held, source, take, finish)
    if not (files or told):
        told.append(Finding(f"no file to read yet{_looked_for(model, source.name, base)}", Weight.NOTE))
    return files, trial, told


def _read(
    connection: duckdb.DuckDBPyConnection, held: CheckWatch, source: Source, take: Callable[[Batch], None],
    finish: Callable[[], None] = lambda: None,
) -> tuple[int, list[Finding]]:  # fmt: skip
    """Give all batches of a source to ``take``, then ``finish``; returns how many files can be read, and what is wrong."""
    files, told, problems = 0, list[Finding](), list[Problem]()
    try:
        for found in source.read_batches(connection, {}, datetime.max.replace(tzinfo=UTC), held):
            if isinstance(found, Batch):
                for alike in found.uniform_batches:
                    for batch in held.try_batch(alike, take):
                        files += batch.files
            elif isinstance(found, Problem):
                problems.append(found)
        finish()
    except SourceError as error:
        told.append(Finding(error.message, Weight.MISTAKE))
    except duckdb.Error as error:  # a file turned out to be damaged
        told.append(Finding(f"cannot be read: {str(error).splitlines()[0]}", Weight.MISTAKE))
    told[:0] = _merge_problems(problems)
    told += [Finding(text, Weight.MISTAKE) for text in held.take_problems()]
    return files, told


_MOST_ALIKE = 3  # files of which the same is said one by one


def _merge_problems(problems: Sequence[Problem]) -> Iterator[Finding]:
    """What is wrong with files; the same of many of them once, with an example."""
    alike: dict[tuple[str, str], list[Problem]] = {}
    for each in problems:
        alike.setdefault((each.reason, each.message.replace(each.item, "")), []).append(each)
    for (reason, _), same in alike.items():
        weight = _WEIGHTS.get(reason, Weight.MISTAKE)
        if len(same) > _MOST_ALIKE:
            yield Finding(f"{len(same):,} files, such as {same[0].message}", weight)
        else:
            yield from (Finding(each.message, weight) for each in same)


def _server_mistakes(config: Config) -> list[str]:
    """What would keep the HTTP server from starting."""
    try:
        Access.from_server(config.server, config.monitor.listen, config.base)
        if config.tls is not None:
            load_certificate(*config.tls)
    except CalwatchError as error:
        return [f"server: {error.message}"]
    return []


def _looked_for(model: Model, source: str, base: Path) -> str:
    path = next(each.path for each in model.source if each.name == source)
    if "://" not in path and (base / path).is_dir():
        return f': {path} is a directory; path names its files, such as "{path.rstrip("/")}/*.csv"'
    return f" (looked for {path})"
