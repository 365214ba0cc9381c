"""The sources that a model's configuration names."""

from collections.abc import Sequence
from pathlib import Path

from monitor.config import Model
from monitor.sources.base import Source
from monitor.sources.files import FileSource
from monitor.sources.inbox import Inbox, InboxSource
from monitor.sources.layout import Needs


def configured_sources(model: Model, base: Path, state_dir: Path) -> Sequence[Source]:
    """One source each, in the order of the configuration. ``base``: where relative paths start."""
    needs = Needs.of(model)
    return [
        InboxSource(source, Inbox.of(state_dir, model.name, source.name), model.slices, needs)
        if source.kind == "http"
        else FileSource(source, base, model.slices, needs)
        for source in model.source
    ]
