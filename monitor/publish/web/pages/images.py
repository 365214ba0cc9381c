"""The images that are worth a look: those whose samples were furthest from what came true."""

from typing import Annotated

from fastapi import Depends, Request

from monitor.config.settings import Config
from monitor.publish.web.images import link_sample
from monitor.publish.web.pages.render import Context, Past

SHOWN = 20


def _config(request: Request) -> Config | None:
    found: Config | None = request.app.state.shown.config
    return found


def images_page(
    context: Context, past: Past, config: Annotated[Config | None, Depends(_config)], *, model: str
) -> str:  # fmt: skip
    """Of one model, with links to pictures where its ``image_url`` says where they are. Raises UsageError for a model there
    is not."""
    digest = context.digest
    if digest is None:
        return context.render_page("overview.html")
    status = digest.model(model)
    settings = config.model_named(model) if config is not None else None
    with past() as history:
        errors = history.largest_errors(model, limit=SHOWN)
    return context.render_page(
        "images.html", model=model, status=status, errors=[(each, link_sample(settings, each)) for each in errors],
        is_linked=settings is not None and settings.image_url is not None,
        shows=settings is not None and settings.show_images,
    )  # fmt: skip
