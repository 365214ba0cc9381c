"""Calibrators on disk: one immutable JSON file each, and one small file that says which of them is in use.

    <directory>/<model, quoted>/<id>.json       written once; the id is a hash of the content
    <directory>/<model, quoted>/current.json    scope → id, replaced whole

Production reads these files too, so they are replaced atomically: a reader sees the old file or the new one.
"""

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from monitor import __version__
from monitor.model import Slice, Task
from monitor.model.errors import ArtefactError, StoreError
from monitor.model.files import directory_name, flush_directory
from monitor.model.refits import SampleSpan
from monitor.recalibration.methods import Calibrator, calibrator_class, calibrator_from
from monitor.recalibration.tuning.operating import OPERATING_VERSION, OperatingPoints

SCHEMA_VERSION = (
    OPERATING_VERSION  # the newest this release reads; written is the oldest that can say it (see schema_version)
)
_CURRENT_VERSION = 1
CURRENT = "current.json"
_ID_DIGITS = 16
_ELSEWHERE = "restore it from a backup, or roll back to another calibrator"


class NewerArtefactError(ArtefactError):
    """A file that a newer calwatch wrote: it is not to be written over."""


@dataclass(frozen=True, slots=True)
class Artefact:
    """A fitted calibrator with all that one may ask about it later; ``before`` and ``after`` are the gate's metrics.

    One that was tuned is its ``parent`` with ``operating`` points: it does the same to scores.

    ``logits_are``: what serving feeds where the method needs logits. Of probabilities it takes the logarithm, zeros
    floored at 1e-30, and applies ``calibrator`` to that.
    """

    model: str
    scope: Slice
    method: str
    parameters: Mapping[str, object]
    task: Task
    fitted_at: datetime
    fit_window: SampleSpan
    gate_window: SampleSpan | None  # None: never gated (the identity a model starts with)
    parent: str | None  # id of the calibrator it replaced
    calwatch_version: str
    before: Mapping[str, float | None] = field(default_factory=dict)
    after: Mapping[str, float | None] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    logits_are: Literal["logits", "probabilities"] = "logits"
    operating: OperatingPoints | None = None  # where it is to be operated; None: nothing was tuned

    @property
    def id(self) -> str:
        """The first 16 hex digits of the SHA-256 of the canonical content: equal content has an equal id."""
        return _id_of(_content(self))

    @property
    def calibrator(self) -> Calibrator:
        """The calibrator itself. Raises ValueError if method and parameters do not describe one."""
        return calibrator_from(self.method, self.parameters)


def schema_version(method: str, logits_are: str = "logits", *, is_tuned: bool = False) -> int:
    """1 for what version 1 could express, 2 for later methods, 3 for what takes the logarithm of probabilities first, 4 for
    what has operating points: an older calwatch reads the former, refuses the latter."""
    if is_tuned:
        return OPERATING_VERSION
    if logits_are == "probabilities":
        return 3
    return calibrator_class(method).schema_version


def artefact_path(directory: Path, model: str, artefact_id: str) -> Path:
    return directory / directory_name(model) / f"{artefact_id}.json"


def write_artefact(directory: Path, artefact: Artefact) -> Path:
    """Write ``<directory>/<model>/<id>.json`` and return its path; doing so again changes nothing.

    Raises ValueError if the content is not a calibrator or not JSON (NaN, naive times), StoreError if it cannot be
    written; then no part of it is left.
    """
    path = artefact_path(directory, artefact.model, artefact.id)
    _replace(path, document_of(artefact))
    return path


def document_of(artefact: Artefact) -> str:
    """The text of the artefact's file. Raises ValueError if the content is not a calibrator or not JSON."""
    content = _content(artefact)
    _ = artefact.calibrator
    return json.dumps({"id": _id_of(content), **content}, indent=2, ensure_ascii=False, allow_nan=False)


def read_document(text: str, artefact_id: str) -> Artefact:
    """The artefact of that id in a text made by ``document_of``. Raises ValueError when it is not that."""
    content = json.loads(text, parse_constant=_refuse_constant)
    if not isinstance(content, dict) or content.pop("id", None) != artefact_id or _id_of(content) != artefact_id:
        raise ValueError(f"is not the text of calibrator {artefact_id}")
    try:
        return _artefact_of(content)
    except (KeyError, TypeError) as cause:
        raise ValueError(f"is not the text of a calibrator ({cause!r})") from cause


def read_artefact(path: Path) -> Artefact:
    """The artefact in a file. Raises ArtefactError if it is missing, damaged, foreign, renamed or newer."""
    document = _read_object(path, "calibrator")
    version = document.get("schema_version")
    if isinstance(version, bool) or not isinstance(version, int) or "id" not in document:
        raise ArtefactError(f"{path}: is not a calwatch calibrator (no id and schema_version)", _ELSEWHERE)
    if version > SCHEMA_VERSION:
        raise NewerArtefactError(
            f"{path}: has schema version {version}, this calwatch reads up to {SCHEMA_VERSION} "
            f"({_writer(document)}this is calwatch {__version__})",
            "upgrade calwatch, or roll back to a calibrator that it wrote itself",
        )
    content = {key: value for key, value in document.items() if key != "id"}
    found = _id_of(content)
    if document["id"] != found:
        raise ArtefactError(f"{path}: is damaged or was edited (id {document['id']}, content {found})", _ELSEWHERE)
    if path.name != f"{found}.json":
        raise ArtefactError(f"{path}: was renamed; it holds calibrator {found}", f"name it {found}.json again")
    try:
        artefact = _artefact_of(content)
        calibrator = artefact.calibrator
        own = schema_version(artefact.method, artefact.logits_are, is_tuned=artefact.operating is not None)
        if version != own:
            raise ValueError(f"{artefact.method} belongs to schema version {own}")
        if artefact.logits_are != "logits" and not calibrator.needs_logits:
            raise ValueError(f"{artefact.method} of scores has no logits")
    except (KeyError, TypeError, ValueError) as cause:
        raise ArtefactError(f"{path}: is not a calibrator of this program ({cause!r})", _ELSEWHERE) from cause
    return artefact


def write_current(directory: Path, current: Mapping[str, str]) -> Path:
    """Replace ``current.json`` in a model's directory by scope → id; scopes are canonical slice texts.

    Raises ValueError on a scope that is no slice, StoreError if it cannot be written; then the old one stays.
    """
    for scope in current:
        Slice.parse(scope)
    path = directory / CURRENT
    document = {"schema_version": _CURRENT_VERSION, "current": dict(sorted(current.items()))}
    _replace(path, json.dumps(document, indent=2, ensure_ascii=False))
    return path


def read_current(directory: Path) -> dict[str, str]:
    """Scope → id as last written; empty where none was. Raises ArtefactError if the file is damaged or newer."""
    path = directory / CURRENT
    if not path.exists():
        return {}
    hint = "delete it and promote or roll back again; the calibrators themselves are beside it"
    document = _read_object(path, "list of calibrators in use", hint)
    version, current = document.get("schema_version"), document.get("current")
    if isinstance(version, int) and version > _CURRENT_VERSION:
        raise NewerArtefactError(
            f"{path}: has schema version {version}, this calwatch reads up to {_CURRENT_VERSION} "
            f"(this is calwatch {__version__})",
            "upgrade calwatch",
        )
    if version != _CURRENT_VERSION or not isinstance(current, dict):
        raise ArtefactError(f"{path}: is not a calwatch list of calibrators in use", hint)
    if not all(isinstance(identifier, str) for identifier in current.values()):
        raise ArtefactError(f"{path}: must map each scope to a calibrator id", hint)
    return current


def _writer(document: Mapping[str, object]) -> str:
    writer = document.get("calwatch_version")
    return f"written by calwatch {writer[:40]}; " if isinstance(writer, str) else ""


def _content(artefact: Artefact) -> dict[str, object]:
    """All but the id, as JSON values."""
    # left out where they are logits: so the id of what earlier releases wrote stays what it was
    probabilities = {} if artefact.logits_are == "logits" else {"logits_are": artefact.logits_are}
    points = artefact.operating
    return {
        **probabilities,
        **({} if points is None else {"operating": points.as_object}),
        "schema_version": schema_version(artefact.method, artefact.logits_are, is_tuned=points is not None),
        "model": artefact.model,
        "scope": artefact.scope.text,
        "method": artefact.method,
        "parameters": dict(artefact.parameters),
        "task": artefact.task.value,
        "fitted_at": _time_text(artefact.fitted_at),
        "fit_window": _window_object(artefact.fit_window),
        "gate_window": None if artefact.gate_window is None else _window_object(artefact.gate_window),
        "parent": artefact.parent,
        "before": dict(artefact.before),
        "after": dict(artefact.after),
        "reasons": list(artefact.reasons),
        "calwatch_version": artefact.calwatch_version,
    }


def _id_of(content: Mapping[str, object]) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()[:_ID_DIGITS]


def _time_text(time: datetime) -> str:
    if time.tzinfo is None:
        raise ValueError(f"times of an artefact must have a time zone (got {time.isoformat()})")
    return time.astimezone(UTC).isoformat()


def _window_object(window: SampleSpan) -> dict[str, object]:
    return {"start": _time_text(window.start), "end": _time_text(window.end), "n": int(window.samples)}


_NAMES = {str: "a text", dict: "an object", int: "a count", list: "a list", float: "a number"}


def _take(content: Any, name: str | int, kind: type) -> Any:
    """Return the value of a key. Raises KeyError where there is none, TypeError where it is of another kind."""
    value = content[name]
    if not isinstance(value, (int, float) if kind is float else kind):
        raise TypeError(f"expected {_NAMES[kind]} as {name}, got {value!r}")
    return value


def _take_window(content: Mapping[str, object], name: str) -> SampleSpan:
    window = _take(content, name, dict)
    start, end = (datetime.fromisoformat(_take(window, edge, str)) for edge in ("start", "end"))
    return SampleSpan(start, end, _take(window, "n", int))


def _take_metrics(content: Mapping[str, object], name: str) -> dict[str, float | None]:
    metrics = _take(content, name, dict)
    return {key: None if metrics[key] is None else _take(metrics, key, float) for key in metrics}


def _artefact_of(content: Mapping[str, object]) -> Artefact:
    model, scope, method, task, fitted_at, version = (
        _take(content, name, str) for name in ("model", "scope", "method", "task", "fitted_at", "calwatch_version")
    )
    logits_are = content.get("logits_are", "logits")
    if logits_are not in ("logits", "probabilities"):
        raise ValueError(f'logits_are must be "logits" or "probabilities" (got {logits_are!r})')
    reasons = _take(content, "reasons", list)
    return Artefact(
        model=model, scope=Slice.parse(scope), method=method, parameters=_take(content, "parameters", dict),
        task=Task(task), fitted_at=datetime.fromisoformat(fitted_at), fit_window=_take_window(content, "fit_window"),
        gate_window=None if content["gate_window"] is None else _take_window(content, "gate_window"),
        parent=None if content["parent"] is None else _take(content, "parent", str), calwatch_version=version,
        before=_take_metrics(content, "before"), after=_take_metrics(content, "after"),
        reasons=tuple(_take(reasons, place, str) for place in range(len(reasons))), logits_are=logits_are,
        operating=OperatingPoints.from_object(_take(content, "operating", dict)) if "operating" in content else None,
    )  # fmt: skip


def _read_object(path: Path, what: str, hint: str = _ELSEWHERE) -> dict[str, object]:
    try:
        text = path.read_bytes().decode("utf-8")
        document = json.loads(text, parse_constant=_refuse_constant)
    except FileNotFoundError as cause:
        raise ArtefactError(f"{path}: there is no such {what}", hint) from cause
    except OSError as cause:
        raise ArtefactError(f"{path}: cannot be read ({cause.strerror})", "check who owns it and its mode") from cause
    except (ValueError, RecursionError) as cause:  # not UTF-8, or not JSON
        raise ArtefactError(f"{path}: is damaged, not JSON ({cause})", hint) from cause
    if not isinstance(document, dict):
        raise ArtefactError(f"{path}: is not a calwatch {what} (a JSON {type(document).__name__})", hint)
    return document


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _replace(path: Path, text: str) -> None:
    """Put a file in place whole: written aside, flushed to disk, renamed over the old one, the rename flushed too."""
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with aside.open("x", encoding="utf-8") as file:
                file.write(text + "\n")
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
        flush_directory(path.parent)
    except OSError as cause:
        raise StoreError(
            f"{path}: cannot be written ({cause.strerror})", "free disk space, or let calwatch write there"
        ) from cause
