"""The images that are worth a look: those whose samples were furthest from what came true, and the objects of a detector that
were missed or invented.

By itself, because each page is.
"""

from monitor.publish.web.images import link_objects, link_sample
from monitor.publish.web.pages.render import Context, Past

SHOWN = 20


def images_page(context: Context, past: Past, *, model: str) -> str:
    """Of one model, with links to pictures where its ``image_url`` says where they are. Raises UsageError for a model there
    is not."""
    digest = context.digest
    if digest is None:
        return context.render_page("overview.html")
    status = digest.model(model)
    settings = context.find_settings(model)
    with past() as history:
        errors = history.largest_errors(model, limit=SHOWN)
    return context.render_page(
        "images.html", model=model, status=status, errors=[(each, link_sample(settings, each)) for each in errors],
        missed=link_objects(settings, status.missed), invented=link_objects(settings, status.invented),
        is_linked=settings is not None and settings.image_url is not None,
        shows=settings is not None and settings.show_images,
    )  # fmt: skip
