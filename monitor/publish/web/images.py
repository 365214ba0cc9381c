"""Addresses of the pictures of images, from ``image_url`` in the configuration; and which origins pages may show them from."""

from collections.abc import Iterable, Mapping

from monitor.config.image_url import IMAGE, SAMPLE_FIELDS, fill_address, origin_of
from monitor.config.settings import Config, Model
from monitor.model import MISSING, OTHER, SeenObject
from monitor.model.history import LargestError

_NO_VALUES = (MISSING, OTHER)  # of a slice dimension, which stand for none or for many


def link_image(
    model: Model | None, image_id: str | None, slices: Mapping[str, str] | None = None, *,
    sample_id: str | None = None, group_id: str | None = None,
) -> str | None:  # fmt: skip
    """Return the address of an image's picture, percent-encoded; HTML still has to be escaped.

    None where the model has no ``image_url``, where one of its fields has no value here, and where an id would lead out of
    the address's folder. ``slices``: values by dimension, of the sample or object that the picture is asked for;
    ``sample_id``, ``group_id``: where it is a sample.
    """
    if model is None or model.image_url is None:
        return None
    held = {name: value for name, value in (slices or {}).items() if value not in _NO_VALUES}
    own = {IMAGE: image_id, **dict(zip(SAMPLE_FIELDS, (sample_id, group_id), strict=True))}
    return fill_address(model.image_url, {**held, **own})


def link_sample(model: Model | None, sample: LargestError) -> str | None:
    """Return the address of a sample's picture: its image is the group where samples have groups, else the sample itself."""
    return link_image(
        model, sample.group_id or sample.sample_id, sample.labels, sample_id=sample.sample_id, group_id=sample.group_id
    )


def link_objects(model: Model | None, objects: Iterable[SeenObject]) -> list[tuple[SeenObject, str | None]]:
    """Return each object with the address of its image's picture."""
    return [(each, link_image(model, each.image_id, each.slice.as_dict())) for each in objects]


def list_origins(config: Config | None) -> tuple[str, ...]:
    """Return the origins of pictures that pages show, each once: those of models with ``show_images``."""
    models = config.model if config is not None else ()
    return tuple(dict.fromkeys(origin_of(each.image_url) for each in models if each.show_images and each.image_url))
