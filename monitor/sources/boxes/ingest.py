"""One batch of images, detections or truth into the store, in one transaction with its cursor: typed, reviewed, compared
with what is known. The images that it changes are noted, to be matched once all sources have been read.

The steps hand each other temporary tables:

    staged          the batch's rows, typed; bad ones with their reason (stage.py)
    file_numbers    the batch's files → their numbers
    box_every       what each file says of a detection, or of an image's truth
    box_changed     what of it is new, or other than what is known
    box_stale       detections without ids that another file has said, and the last one does not (ranked.py)
    held_images     images whose time is not known: of their truth all is held that others said
    box_gone        what files that were written anew no longer say
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

import duckdb

from monitor.config.boxes import BOX_HOLDS as BOX_HOLDS
from monitor.model.errors import SourceError
from monitor.model.problems import Outcome, Problem, ProblemReason
from monitor.model.wording import first_few, quantity
from monitor.sources.batch import Batch
from monitor.sources.boxes.corrected import tell_appended, tell_resized
from monitor.sources.boxes.ranked import TOLD_SHARE, FileCounts, compare_detections, tell_mixed_ids
from monitor.sources.boxes.stage import OVER_EDGE, SAID_BY, keep_records, review_boxes, stage_boxes
from monitor.sources.formats.boxes.categories import remember_categories
from monitor.sources.ingest.file_numbers import load_file_numbers, number_files
from monitor.sources.ingest.ingest import RefusedError, quarantine_rows
from monitor.sources.ingest.parting import demand_none_refused
from monitor.sources.ingest.staging import blames_the_file
from monitor.sources.labels.history import note_undated
from monitor.sources.pulled import Pulled
from monitor.sources.records import store_notes, write_cursor
from monitor.store.connection import fetch_column, fetch_row, make_naive, transaction
from monitor.store.model_store import ModelStore
from monitor.store.source_facts import load_facts, store_fact
from monitor.store.sql import run_script, statement


def ingest_boxes(store: ModelStore, source: str, holds: str, batch: Batch, now: datetime) -> Pulled:
    """Take one batch of ``holds`` images, detections or truth. Nothing of it stays when it fails; run again, it changes
    nothing. Raises as ``ingest_batch`` does."""
    connection = store.connection
    ambiguous = _stage(store, batch, now)
    pushed = batch.on_completed is not None
    files = batch.items if batch.whole else fetch_column(connection, "SELECT DISTINCT file FROM staged")
    with transaction(connection):
        numbers = number_files(connection, store.model_id, source, files, pushed=pushed)
    found = review_boxes(connection, batch, load_facts(connection, store.model_id, source), numbers, now)
    if found.refused:
        if batch.files == 1:
            if holds == "detections":
                _note_refused(store, numbers, now)
            raise RefusedError(next(iter(found.refused)), found)
        demand_none_refused(batch, found.refused)
    with store.transaction():
        pulled = Pulled(files=batch.files, ambiguous_times=ambiguous)
        (pulled.rows,) = fetch_row(connection, "SELECT count(*) FROM staged")
        load_file_numbers(connection, numbers, placed=batch.whole)
        if holds != "truth":
            store.execute(statement("box_times_conflicting"), {"model_id": store.model_id, "said_by": SAID_BY[holds]})
        counts = _TAKE[holds](
            store, source, pulled, now, {file: numbers[file] for file in batch.reread if file in numbers}
        )
        if holds == "detections":
            own = {"model_id": store.model_id, "files": list(numbers.values()), "now": make_naive(now)}
            run_script(connection, "refused_settled", own)
        keep_records(connection, batch)
        quarantine_rows(store, source, now, pulled, by_file=batch.part is not None)
        if batch.reread:
            pulled.problems += _settle_gone(store, batch, holds, numbers)
        if pushed and batch.files > 1:
            pulled.file_outcomes = _outcomes(store, counts, numbers)
        named, contrary = remember_categories(connection, store.model_id, source, batch.facts, now)
        if named:  # detections that were matched by their numbers
            store.execute(statement("match_all"), {"model_id": store.model_id})
        if contrary:
            pulled.problems.append(Problem(source, "several_names", contrary))
        if OVER_EDGE in found.facts:
            pulled.problems.append(Problem(source, "boxes_over_edge", _over_edge(int(found.facts[OVER_EDGE]))))
        for fact, value in found.facts.items():
            store_fact(connection, store.model_id, source, fact, value, now)
        if pulled.problems:
            store_notes(connection, store.model.name, source, pulled.problems, now)
        write_cursor(connection, store.model_id, source, batch.cursor, now)
    return pulled


def _stage(store: ModelStore, batch: Batch, now: datetime) -> int:
    times = now - store.model.retention, now
    try:
        return stage_boxes(store.connection, store.model, store.model_id, batch, times)
    except duckdb.Error as error:
        if not blames_the_file(error):
            raise
        raise SourceError(str(error).splitlines()[0]) from error


def _note_refused(store: ModelStore, numbers: Mapping[str, int], now: datetime) -> None:
    """Note the images of a file of which nothing is taken: that they have no detection is not known."""
    (number,) = numbers.values()
    with store.transaction():
        run_script(
            store.connection, "refused_whole", {"model_id": store.model_id, "file_id": number, "now": make_naive(now)}
        )


def _over_edge(count: int) -> str:
    return (
        f"boxes reach over the edge of their image ({count:,} that came now): they are matched as they are, as COCO does, and "
        "those that lie mostly outside are set aside (box_outside_image). Where boxes are meant to end at the edge, see that "
        "width and height are those of the image that was detected in"
    )


def _take_images(
    store: ModelStore, source: str, pulled: Pulled, now: datetime, reread: Mapping[str, int]
) -> FileCounts:
    _say_images(store, source, "images", pulled, now)
    _tell_versions(store, source, pulled)
    seen, changed, new = fetch_row(
        store.connection,
        "SELECT (SELECT coalesce(sum(seen), 0) FROM box_images), count(*), count(*) FILTER (is_new) FROM box_changed",
    )
    pulled.duplicates += int(seen) - changed
    return dict.fromkeys(
        fetch_column(store.connection, "SELECT DISTINCT file FROM staged"), (new, 0, int(seen) - changed, changed - new)
    )


def _say_images(store: ModelStore, source: str, holds: str, pulled: Pulled, now: datetime) -> None:
    """What the rows say of images themselves: when they were taken, how large they are."""
    own = {"model_id": store.model_id, "said_by": SAID_BY[holds], "now": make_naive(now)}
    store.execute(statement("box_images_said"), {"said_by": own["said_by"]})
    store.execute(statement("box_images_changed"), own)
    pulled.problems += tell_resized(store, source, SAID_BY[holds])
    run_script(store.connection, "box_images_replace", own)


def _take_detections(
    store: ModelStore, source: str, pulled: Pulled, now: datetime, reread: Mapping[str, int]
) -> FileCounts:
    _say_images(store, source, "detections", pulled, now)
    own = {
        "model_id": store.model_id, "now": make_naive(now), "applies": store.model.recalibration.apply == "monitor"
    }  # fmt: skip
    store.execute(statement("box_ids_conflicting"))
    _count_repeated(store, pulled, "detection")
    run_script(store.connection, "box_detections_said", own)
    counts = compare_detections(store, source, pulled, list(reread.values()))
    (pulled.clipped,) = fetch_row(store.connection, "SELECT count(*) FROM box_changed WHERE clipped")
    run_script(store.connection, "box_detections_replace", own)
    pulled.problems += tell_mixed_ids(store, source)
    _tell_versions(store, source, pulled)
    return counts


def _tell_versions(store: ModelStore, source: str, pulled: Pulled) -> None:
    """Tell where versions contradict each other, of the images in `box_changed`."""
    mixed, example, versions, contrary, contrary_example, both = store.fetch_row(
        statement("box_versions"), {"model_id": store.model_id}
    )
    if mixed:
        pulled.problems.append(Problem(source, "several_versions", _mixed_versions(mixed, example, versions)))
    if contrary:
        told = (
            f"of {quantity(contrary, 'image')} (such as {contrary_example}) the table of images says version {both[0]}, and "
            f"the detections {first_few(both[1:])}: these count with what they say themselves, and images without a detection "
            "with what the table says, so recall is of neither. Let both say the same, or one of them alone"
        )
        pulled.problems.append(Problem(source, "several_versions", told))


def _mixed_versions(images: int, example: str, versions: Sequence[str]) -> str:
    return (
        f"{quantity(images, 'image')} (such as {example}) {'has' if images == 1 else 'have'} detections of several versions "
        f"({first_few(versions)}): they are matched as if of one detector, where one of them alone finds an object, and what "
        "the others find of it counts as wrong. Give each version a model of its own in calwatch, with a source that holds its "
        "files alone"
    )


def _count_repeated(store: ModelStore, pulled: Pulled, noun: str) -> None:
    """Take rows that say the same once more out of `staged`, and tell of them; after rows that cannot be taken are known."""
    run_script(store.connection, "box_repeated", {})
    for file, count in store.execute("SELECT file, count(*) FROM box_again GROUP BY file ORDER BY file").fetchall():
        pulled.duplicates += count
        told = (
            f"{file}: {quantity(count, 'row')} say the same {noun} of the same image once more, and each counts once: was a "
            "table joined so that rows came twice?"
        )
        pulled.problems.append(Problem(file, "repeated_boxes", told))


def _take_truth(store: ModelStore, source: str, pulled: Pulled, now: datetime, reread: Mapping[str, int]) -> FileCounts:
    note_undated(store, source, now)
    store.execute(statement("box_truth_incomplete"))
    _count_repeated(store, pulled, "object")
    pulled.problems += tell_appended(store)
    _say_images(store, source, "truth", pulled, now)
    own: dict[str, object] = {"model_id": store.model_id, "now": make_naive(now)}
    own["horizon"] = store.model.label_horizon.total_seconds()
    own["listed"] = any(each.holds == "images" for each in store.model.source)
    run_script(store.connection, "box_truth_said", own)
    rows = store.execute(statement("box_truth_counts")).fetchall()
    counts = {file: (0, labelled, known, corrected) for file, _, labelled, known, corrected, _ in rows}
    pulled.duplicates += sum(known for _, _, known, _ in counts.values())
    for file, images, _, _, _, other in rows:
        if other > TOLD_SHARE * images:
            pulled.problems.append(Problem(file, "replaced_truth", _other_truth(file, other, images)))
    run_script(store.connection, "held_put", own)
    run_script(store.connection, "box_truth_replace", own)
    for file, images in store.execute(statement("box_truth_undated"), {"model_id": store.model_id}).fetchall():
        pulled.problems.append(Problem(file, "replaced_truth", _undated_truth(file, images)))
    return counts


def _other_truth(file: str, other: int, images: int) -> str:
    return (
        f"{file}: of {other:,} of its {quantity(images, 'image')} another file said another truth, which this one takes the "
        "place of: the truth of an image is all that one file says of it. Where files have parts of it, such as a class each, "
        "put them into one"
    )


def _undated_truth(file: str, images: int) -> str:
    return (
        f"{file}: gives the truth of {quantity(images, 'image')} no labelled_at, of which another file gave another truth with "
        "one: that one is kept. Where this file is a correction, give it labelled_at"
    )


_TAKE = {"images": _take_images, "detections": _take_detections, "truth": _take_truth}
_GONE: Mapping[str, tuple[str, str, ProblemReason, str]] = {
    "images": ("box_images_gone", "images", "withdrawn_rows", "image"),
    "detections": ("box_detections_gone", "detections", "withdrawn_rows", "detection"),
    "truth": ("box_truth_gone", "reviews", "withdrawn_labels", "image with its truth"),
}


def _settle_gone(store: ModelStore, batch: Batch, holds: str, numbers: Mapping[str, int]) -> list[Problem]:
    """Tell what files that were written anew no longer say, and take it out where so configured."""
    find, table, reason, noun = _GONE[holds]
    own = {"model_id": store.model_id, "files": [numbers[file] for file in batch.reread if file in numbers]}
    store.execute(statement(find), own)
    gone: dict[int, int] = dict(store.execute("SELECT file_id, count(*) FROM box_gone GROUP BY file_id").fetchall())
    remove = batch.meaning.withdrawn == "remove"
    if holds == "truth":
        store.execute(statement("held_withdrawn" if remove else "held_kept"), own)
    if not gone:
        return []
    if remove:
        store.execute("INSERT INTO images_touched SELECT DISTINCT $model_id, image_id FROM box_gone", {
            "model_id": store.model_id})  # fmt: skip
        if holds == "truth":
            store.execute(
                "DELETE FROM truths WHERE model_id = $model_id AND image_id IN (SELECT image_id FROM box_gone)",
                {"model_id": store.model_id},
            )
        store.execute(f"DELETE FROM {table} WHERE rowid IN (SELECT row_key FROM box_gone)")
    else:
        store.execute(f"UPDATE {table} SET file_id = NULL WHERE rowid IN (SELECT row_key FROM box_gone)")
    # nobody knows what other files say of them
    lost = "what other files say of the same images does not come back by itself: send those that still count again"
    done = f"taken out; {lost}" if remove else 'kept (withdrawn = "remove" in [model.source] takes them out)'
    return [
        Problem(
            file, reason,
            f"{file}: was written anew, and {_plural(count, noun)} of its earlier version {'is' if count == 1 else 'are'} no "
            f"longer in it; {done}",
        )
        for file in sorted(batch.reread)
        if (count := gone.get(numbers.get(file, 0), 0))
    ]  # fmt: skip


def take_back_detections(store: ModelStore, source: str, numbers: Sequence[int], now: datetime) -> int:
    """Take the detections of earlier files out again and into quarantine, and have their files read again; inside a
    transaction. Their images are matched anew. Return how many there were."""
    own = {"model_id": store.model_id, "numbers": list(numbers)}
    told = {"model": store.model.name, "source": source, "now": make_naive(now)}
    (count,) = store.fetch_row(
        "SELECT count(*) FROM detections WHERE model_id = $model_id AND list_contains($numbers, file_id)", own
    )
    store.execute(statement("box_taken_back_quarantine"), {**own, **told})
    run_script(store.connection, "box_taken_back", own)
    return int(count)


def _plural(count: int, noun: str) -> str:
    first, _, rest = noun.partition(" ")
    return quantity(count, first) + (f" {rest}" if rest else "")


def _outcomes(store: ModelStore, counts: FileCounts, numbers: Mapping[str, int]) -> dict[str, Outcome]:
    """What became of each of several pushes."""
    rows = dict(store.execute("SELECT file, count(*) FROM staged GROUP BY file").fetchall())
    aside: dict[str, Counter[str]] = {}
    for file, reason, count in store.execute(
        "SELECT file, reason, count(*) FROM staged WHERE reason IS NOT NULL GROUP BY file, reason"
    ).fetchall():
        aside.setdefault(file, Counter())[reason] = count
    return {
        file: Outcome(rows.get(file, 0), *counts.get(file, (0, 0, 0, 0)), quarantined=dict(aside.get(file, {})))
        for file in numbers
    }
