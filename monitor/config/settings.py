"""calwatch.toml: read once, checked whole, every mistake reported with its place.

The models here are the reference of the configuration: each field's description is what the docs print.
"""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field
from pydantic.json_schema import SkipJsonSchema

from monitor.config.actions import Action
from monitor.config.boxes import SIZE, Matching
from monitor.config.boxes_agree import box_mistakes
from monitor.config.fields import (
    Duration,
    ExternalUrl,
    GroupNoun,
    Listen,
    Name,
    OwnPath,
    PathText,
    PositiveDuration,
    SliceDimension,
    TimeZone,
    Whole,
    find_repeated,
)
from monitor.config.image_url import ImageUrl, image_mistakes
from monitor.config.mistakes import CONFIGURATION, read_tables
from monitor.config.partly import list_one
from monitor.config.refits import Recalibration as Recalibration
from monitor.config.refits import Threshold as Threshold
from monitor.config.section import At, Section, judge_each
from monitor.config.server import Server
from monitor.config.sources import CANONICAL_COLUMNS as CANONICAL_COLUMNS
from monitor.config.sources import OWN_COLUMNS, SourceSettings
from monitor.config.tokens import Role
from monitor.config.toml import parse_toml
from monitor.model import NO_DIMENSIONS, Task
from monitor.model.durations import format_duration
from monitor.model.errors import ConfigError

MEND = "mend what is named above, then run: calwatch check"


class Model(Section):
    """One monitored model."""

    name: Name = Field(description="the label `model` of its series")
    task: Task = Field(description="binary, multiclass, detection or segmentation: which event the score speaks of")
    slices: tuple[SliceDimension, ...] = Field(
        (), description="columns that cut the traffic into slices", json_schema_extra={"uniqueItems": True}
    )
    max_order: Whole = Field(2, ge=0, le=4, description="how many dimensions a crossed slice may name")
    max_slice_values: Whole = Field(
        100, ge=1, le=100_000, description="per dimension; later ones fold into `__other__`"
    )
    max_versions: Whole = Field(
        100, ge=1, le=1_000, description="seen within retention; later ones fold into `__other__`, not judged for drift"
    )
    bucket: Duration = Field(timedelta(hours=1), description="width of a time bucket: divides a day evenly")
    windows: tuple[Duration, ...] = Field(
        (timedelta(hours=1), timedelta(hours=24), timedelta(days=7)), min_length=1, description="rolling windows"
    )
    min_samples: Whole = Field(100, ge=1, description="labelled samples below which a reading is insufficient")
    label_maturity: Duration = Field(timedelta(0), description="windows end this long before now")
    label_horizon: PositiveDuration = Field(timedelta(days=30), description="a label later than this is quarantined")
    retention: Duration = Field(timedelta(days=90), description="how long samples are kept")
    history: Duration = Field(timedelta(days=730), description="how long cells and readings are kept")
    fold_after: Duration = Field(timedelta(days=14), description="cells older than this fold into daily ones")
    rules: tuple[PathText, ...] = Field(("default",), description="shipped packs by name, own packs by path")
    time_zone: TimeZone = Field("UTC", description="of the refit schedule")
    classes: tuple[str, ...] = Field(
        (), description="class of each logit, in order; not needed where labels are 0, 1, 2 …"
    )
    positive: str | None = Field(
        None, min_length=1, description="binary: the label that the score is the probability of, where labels are names"
    )
    image_url: ImageUrl | None = Field(
        None,
        description="address of an image's picture, such as `https://images.example.org/{image_id}.jpg`; makes links "
        "where images are named",
    )
    show_images: bool = Field(
        False, strict=True, description="small pictures on the page, of that origin alone; else links only"
    )
    group_noun: GroupNoun | None = Field(
        None,
        description="what a group of samples is called, such as image, clip or patient; else image where the task is "
        "detection or segmentation, and group",
    )
    source: Annotated[tuple[SourceSettings, ...], BeforeValidator(list_one)] = Field(
        min_length=1, description="one table, or several"
    )
    recalibration: Recalibration = Field(default_factory=Recalibration)  # type: ignore[arg-type]  # pydantic fills it
    threshold: Threshold | None = None
    matching: Matching | None = None

    def model_post_init(self, context: object, /) -> None:
        matching = self.__dict__.get("matching")
        if matching is not None and matching.__dict__.get("size") and SIZE not in self.__dict__.get("slices", (SIZE,)):
            self.__dict__["slices"] = (*self.slices, SIZE)

    def _check_bucket(self) -> Iterator[str]:
        day, bucket = timedelta(days=1), format_duration(self.bucket)
        if not timedelta(minutes=1) <= self.bucket <= day or day % self.bucket:
            yield f"bucket must divide a day evenly, from 1m to 24h (got {bucket!r})"
            return
        for window in self.windows:
            if not window or window % self.bucket:
                shown = format_duration(window)
                yield f"windows must be multiples of the bucket {bucket!r} ({self.got('windows')} {shown!r})"

    def _check_windows(self) -> Iterator[str]:
        if len(set(self.windows)) != len(self.windows):
            yield "windows names a window twice"

    def _check_fold_after(self) -> Iterator[str]:
        reach = max(self.windows) + self.label_maturity
        if self.fold_after < reach:
            yield (
                "fold_after must not be shorter than the longest window plus label_maturity, "
                f"{format_duration(reach)} ({self.got('fold_after')} {format_duration(self.fold_after)!r})"
            )

    def _check_retention(self) -> Iterator[str]:
        if self.retention < max(self.label_horizon, self.fold_after):
            yield (
                "retention must not be shorter than label_horizon and fold_after, or late labels have nothing to join"
                + self._defaults("retention", "label_horizon", "fold_after")
            )

    def _check_history(self) -> Iterator[str]:
        if self.history < self.retention:
            yield "history must not be shorter than retention" + self._defaults("history", "retention")

    def _defaults(self, *keys: str) -> str:
        """`` (default retention '90d')``: of the keys those that are not written."""
        left = [f"{key} {window_name(getattr(self, key))!r}" for key in keys if key not in self.model_fields_set]
        return f" (default {', '.join(left)})" if left else ""

    def _check_sources(self) -> Iterator[str]:
        names = [source.name for source in self.source]
        if len(set(names)) != len(names):
            yield f"source: each needs a name of its own (got {', '.join(names)})"

    def _check_samples(self) -> Iterator[str]:
        if all(source.holds == "labels" for source in self.source):
            yield "source: at least one must hold samples"

    def _check_boxes(self) -> Iterator[str]:
        yield from box_mistakes(self.task, self.source, self.matching, self.slices)

    def _check_images(self) -> Iterator[str]:
        if self.image_url is not None:
            yield from image_mistakes(self.image_url, self.slices, of_boxes=self.is_of_boxes)
        elif self.show_images:
            yield 'show_images needs "image_url", the address of their pictures'

    def _check_columns(self) -> Iterator[str]:
        yield from judge_each(
            partial(source.column_mistakes, source.known_columns(self.slices), n)
            for n, source in enumerate(self.source)
        )

    def _check_policy(self) -> Iterator[str]:
        if self.threshold and self.threshold.policy.startswith("accuracy") and self.task is not Task.MULTICLASS:
            same = self.threshold.policy.replace("accuracy", "precision")
            yield f'threshold: policy {self.threshold.policy!r} needs task "multiclass"; for this task write {same!r}'

    def _check_per_class(self) -> Iterator[str]:
        if self.threshold and "class" in self.threshold.per and self.task is not Task.MULTICLASS:
            yield 'threshold: per "class" needs task "multiclass", whose logits tell the classes apart'

    def _check_refit_samples(self) -> Iterator[str]:
        few, many = self.recalibration.min_samples, self.recalibration.max_samples
        if many < few:
            said = self.recalibration.got("max_samples")
            yield f"recalibration: max_samples must not be below min_samples, {few} ({said} {many})"

    def _check_positive(self) -> Iterator[str]:
        if self.positive is not None and self.task is not Task.BINARY:
            yield f'positive belongs to task "binary" (task is "{self.task.value}")'

    def _check_slices(self) -> Iterator[str]:
        if find_repeated(self.slices):
            yield "slices names a dimension twice"
        for dimension in self.slices:
            if dimension in (*NO_DIMENSIONS, *OWN_COLUMNS):
                yield f'slices must not use the reserved name "{dimension}"; map it under another name'

    def unpushed(self, number: int) -> Iterator[str]:
        """Yield that nobody may push, for each source that waits for pushes. ``number``: the model's in the file."""
        for n, source in enumerate(self.source):
            if source.kind == "http":
                told = 'nobody may push: it needs a [[server.token]] with role = "write", see: calwatch token new --role write'
                yield At(told, "model", number, "source", n)

    @property
    def is_of_boxes(self) -> bool:
        """Whether its samples are boxes that calwatch matches with objects."""
        return any(source.is_of_boxes for source in self.source)

    @property
    def counts_missed(self) -> bool:
        """Whether positives that were missed are known, and so recall: of a detector they are where its truth is given."""
        return self.task.counts_missed or any(source.holds == "truth" for source in self.source)

    @property
    def iou_text(self) -> str:
        """The IoU that stands beside each number of a detector whose boxes calwatch matches; "" of other models."""
        return (self.matching or Matching.model_validate({})).iou_text if self.is_of_boxes else ""

    @property
    def event(self) -> str:
        """The event of which scores are the probability, as it is shown beside numbers."""
        return self.task.event_at(self.iou_text)

    @property
    def noun(self) -> str:
        """What a group of samples is called."""
        return self.group_noun or self.task.group_noun

    @property
    def window_names(self) -> dict[str, timedelta]:
        return {window_name(window): window for window in self.windows}

    @property
    def longest_window(self) -> str:
        return window_name(max(self.windows))


class Monitor(Section):
    """The daemon itself."""

    state_dir: OwnPath = Field(
        Path("calwatch-state"), description="database, snapshot, calibrators; relative to this file"
    )
    cycle: PositiveDuration = Field(timedelta(minutes=1), description="how often everything is looked at")
    log_format: Literal["text", "json"] = Field("text", description="json: one object a line")
    listen: Listen = Field("127.0.0.1:9464", description="host:port of /metrics and the page")
    external_url: ExternalUrl | None = Field(
        None, description="of the page as people reach it, such as https://calwatch.example.org/; for links in messages"
    )
    memory_limit: str = Field(
        "1GB", pattern=r"^[0-9]+(\.[0-9]+)? ?[KMGT]i?B$", description="of DuckDB; beyond it spills to disk"
    )
    max_series: Whole = Field(50_000, ge=100, description="Prometheus series; what is cut is counted")
    parallel_refits: Whole = Field(1, ge=1, le=64, description="refits at once, of different models, each a process")


class Config(Section):
    """A whole calwatch.toml."""

    monitor: Monitor = Field(default_factory=Monitor)  # type: ignore[arg-type]  # pydantic fills it
    model: tuple[Model, ...] = Field(min_length=1)
    action: tuple[Action, ...] = ()
    server: Server = Field(default_factory=Server)  # type: ignore[arg-type]  # pydantic fills it
    base: SkipJsonSchema[Path] = Path()  # directory that relative paths start from; set by load_config

    def _check_model_names(self) -> Iterator[str]:
        for name in find_repeated(model.name for model in self.model):
            yield f'two models are called "{name}"'

    def _check_action_names(self) -> Iterator[str]:
        for name in find_repeated(action.name for action in self.action):
            yield f'two actions are called "{name}"'

    def _check_action_models(self) -> Iterator[str]:
        names = [model.name for model in self.model]
        yield from judge_each(partial(action.foreign_models, names, n) for n, action in enumerate(self.action))

    def _check_server(self) -> Iterator[str]:
        yield from self.server.mistakes(self.monitor.listen)

    def _check_pushes(self) -> Iterator[str]:
        if not self.server.has_role(Role.WRITE):
            yield from judge_each(partial(model.unpushed, n) for n, model in enumerate(self.model))

    @property
    def state_dir(self) -> Path:
        return self.base / self.monitor.state_dir

    @property
    def tls(self) -> tuple[Path, Path] | None:
        """Certificate and key; None: plain HTTP."""
        held = self.server.tls_certificate, self.server.tls_key
        return (self.base / held[0], self.base / held[1]) if held[0] and held[1] else None

    def model_named(self, name: str) -> Model | None:
        return next((model for model in self.model if model.name == name), None)


def window_name(window: timedelta) -> str:
    """Days where whole beyond one, hours below: ``24h`` stays ``24h``, a week is ``7d``."""
    if window == timedelta(days=1):
        return "24h"
    return format_duration(window)


def load_config(path: Path) -> Config:
    """Read and check a configuration file. Raises ConfigError listing every mistake with its place."""
    return _without_mistakes(*read_config(path))


def read_config(path: Path) -> tuple[Config, list[str]]:
    """Return a configuration file as far as it can be read, and every mistake in it; what was read then raises
    UnreadError when asked for what could not be. Raises ConfigError when there is no TOML to read."""
    try:
        # editors of Windows put a mark in front that TOML does not know
        text = path.read_text("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(
            [f"{path}: no such file"], "name another with --config FILE, or make one with: calwatch init DIR"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: cannot be read: {error}"]) from error
    return _read(text, path.name, path.resolve().parent)


def parse_config(text: str, origin: str, base: Path) -> Config:
    """Check configuration text; ``origin`` names it in messages, ``base`` is where relative paths start."""
    return _without_mistakes(*_read(text, origin, base))


def _without_mistakes(config: Config, mistakes: list[str]) -> Config:
    if mistakes:
        raise ConfigError(mistakes, MEND)
    return config


def _read(text: str, origin: str, base: Path) -> tuple[Config, list[str]]:
    document = parse_toml(text, origin)
    config, mistakes = read_tables(Config, {**document, "base": base}, origin, CONFIGURATION, text)
    return config, [f'{origin}: unknown key "base"', *mistakes] if "base" in document else mistakes
