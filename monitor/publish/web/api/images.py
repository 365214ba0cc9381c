"""What the API names of images: samples furthest from what came true, with the address of each one's picture."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from monitor.model import history
from monitor.publish.web.api.read import status_of
from monitor.publish.web.api.schemas import Page, item_of
from monitor.publish.web.images import link_sample
from monitor.publish.web.state import State

_MOST = 20


class LargestErrorItem(item_of(history.LargestError)):  # type: ignore[misc]  # its fields are those of the noun
    group_id: str | None = Field(description="of a detector the image; null: a sample by itself")
    rate: float = Field(description="what came true: 0 or 1, or the share of a row that counts many")
    labelled_at: datetime | None
    labels: dict[str, str] = Field(description="slice values by dimension")
    image_url: str | None = Field(
        None,
        description="where its picture is, by [[model]] image_url; null: not set, or a field of it has no value here",
    )


def images_router(state: State) -> APIRouter:
    """Images that are worth a look."""
    router = APIRouter(tags=["show"])

    @router.get("/largest-errors")
    def largest_errors(
        model: Annotated[str, Query(description="the model")],
        limit: Annotated[int, Query(ge=1, le=_MOST, description="entries at most")] = _MOST,
        offset: Annotated[int, Query(ge=0, le=1_000_000_000, description="entries to skip")] = 0,
    ) -> Page[LargestErrorItem]:
        """Labelled samples of the longest window whose score was furthest from what came true, one of each image; of models
        with image_url."""
        status_of(state.published, model)
        settings = state.config.model_named(model) if state.config is not None else None
        with state.history() as past:
            found = past.largest_errors(model, limit=_MOST)
        items = [
            LargestErrorItem.model_validate(each).model_copy(update={"image_url": link_sample(settings, each)})
            for each in found[offset : offset + limit]
        ]
        beyond = offset + limit
        return Page(
            items=items, total=len(found), next_offset=beyond if beyond < len(found) else None,
            published_at=state.published.at if state.published else None,
        )  # fmt: skip

    return router
