"""What people name on the command line, a model and a slice of it, held against the configuration."""

from pathlib import Path

from monitor.config import Config, load_config
from monitor.errors import UsageError
from monitor.model import Slice


def named_scope(config: Path, model: str, slice_: str) -> tuple[Config, Slice]:
    """The configuration, and the slice ``--slice`` means; UsageError lists what there is where a name is unknown."""
    loaded = load_config(config)
    named = loaded.model_named(model)
    if named is None:
        names = ", ".join(each.name for each in loaded.model)
        raise UsageError(f'{config}: has no model "{model}"', f"models: {names}")
    try:
        scope = Slice.parse(slice_)
    except ValueError as error:
        raise UsageError(f"--slice: {error}") from error
    for dimension in scope.as_dict().keys() - set(named.slices):
        raise UsageError(
            f'--slice: model "{model}" has no slice dimension "{dimension}"', f"dimensions: {', '.join(named.slices)}"
        )
    return loaded, scope
