"""Corrections that do not do what they were meant to, told: sizes of images that come after their boxes were set aside, and
truth that was appended to its file."""

from monitor.model.problems import Problem
from monitor.model.wording import quantity
from monitor.store.model_store import ModelStore
from monitor.store.sql import statement


def tell_resized(store: ModelStore, source: str, said_by: int) -> list[Problem]:
    """Tell of images in `box_changed` that have another size from now on, boxes of which were set aside for the one before:
    these do not come back. To be called before anything is replaced."""
    store.execute(statement("box_resized"), {"model_id": store.model_id, "said_by": said_by})
    resized, some = store.fetch_row("SELECT count(*), min(image_id) FROM box_resized")
    if not resized:
        return []
    images, example, before, now, rows, unknown, file = store.fetch_row(
        statement("box_resized_aside"), {"model": store.model.name}
    )
    if not images and not unknown:
        return []
    if images:
        sizes = " and now ".join(f"{wide:g} × {high:g}" for wide, high in (before, now))
        told = f"{quantity(images, 'image')} (such as {example}, {sizes}) had {quantity(rows, 'row')} set aside"
        told += f", and perhaps some of {unknown:,} others," if unknown else ""
    else:
        told = f"{quantity(resized, 'image')} (such as {some}) may have some of {quantity(unknown, 'row')} that were set aside"
    text = (
        f"width and height of images are other than before: {told} as box_outside_image for the size they had, such as in "
        f"{file}. They do not come back by themselves: send their files again, written anew or under another name"
    )
    return [Problem(source, "rows_set_aside", text)]


def tell_appended(store: ModelStore) -> list[Problem]:
    """Tell of objects in `staged` that lie where another one of their image and file lies, and have another labelled_at."""
    return [
        Problem(
            file,
            "repeated_boxes",
            f"{file}: {quantity(objects, 'object')} of {quantity(images, 'image')} (such as {example}) "
            f"{'lies' if objects == 1 else 'lie'} where another one of the same file lies (IoU 0.8 and more), and "
            f"{'has' if objects == 1 else 'have'} another labelled_at: were corrections appended? All of them count, each as "
            "an object of its own. The truth of an image is all that one file says of it: leave out the rows that were "
            "corrected, or give the image's corrected truth in a file of its own, with a later labelled_at",
        )
        for file, objects, images, example in store.execute(statement("box_truth_appended")).fetchall()
    ]
