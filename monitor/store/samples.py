"""Labelled samples of a time span as columns, for refits: the one reader of raw rows beside ingest."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from monitor.model import Slice
from monitor.model.reasons import Code, Reason
from monitor.model.samples import AboutLogits, LabelledImages, Missed, Samples
from monitor.store.connection import fetch_row, utc_day
from monitor.store.model_store import ModelStore
from monitor.store.scores.class_logits import match_class_logits
from monitor.store.scores.logits import PROBABILITIES, load_holdings
from monitor.store.seen.objects import find_image_slices
from monitor.store.sql import statement

ROOMY = 50  # logits of a row that need about as much memory as its other columns, text and all


@dataclass(frozen=True, slots=True)
class LoadedSamples:
    """``samples`` with scores from before any calibration; ``slices[samples.slice_index[i]]`` is sample i's finest."""

    samples: Samples
    slices: tuple[Slice, ...]
    notes: tuple[Reason, ...]  # rows that take no part in a refit, and why
    of_cells: datetime | None = None  # thinned, but cells hold all there is to know of the rows, from this day on


def load_samples(
    store: ModelStore,
    version: str,
    covered: Sequence[int],
    start: datetime,
    end: datetime,
    max_samples: int | None = None,
) -> LoadedSamples:
    """Labelled rows of a version in the finest slices ``covered``, observed in [start, end), in time order.

    Of more than ``max_samples`` rows whole groups are taken, chosen by a hash of group_id, or of sample_id where a
    sample has no group: about so many, never more. Where a row has more than 50 logits, they are fewer by as much. A
    choice holds for one version of DuckDB, whose hash it is.
    """
    span = store.span(version, covered, start, end)
    usable, without_raw, oldest = store.fetch_row(statement("refit_counts"), span)
    classes = _logits_each(store.connection, span) if max_samples else 0
    most = max_samples * ROOMY // max(classes, ROOMY) if max_samples else usable
    thinned = usable > most
    unlike_cells = thinned and store.execute(statement("refit_unlike_cells"), span).fetchone() is not None
    chosen = {"cut": _choose(store.connection, span, usable, most)} if thinned else {}
    knows_missed = store.model.is_of_boxes and store.model.counts_missed
    beyond = _read_beyond(store, span, chosen.get("cut", _PARTS)) if knows_missed else None
    samples, slices = _read(store, span, _CHOSEN if thinned else "", chosen, beyond)
    store.execute("DROP TABLE IF EXISTS parts")
    notes = []
    if thinned:
        by = "id" if samples.group is None else store.model.noun
        logits = classes if classes > ROOMY else None
        notes.append(Reason.of(Code.SAMPLES_CHOSEN, kept=len(samples), usable=usable, logits=logits, by=by))
    if without_raw:
        notes.append(Reason.of(Code.SAMPLES_WITHOUT_RAW, samples=without_raw))
    if samples.n is not None:
        notes.append(Reason.of(Code.SAMPLES_PRECOUNTED, rows=len(samples), samples=samples.n.sum()))
    of_cells = utc_day(oldest.replace(tzinfo=UTC)) if thinned and not unlike_cells else None
    return LoadedSamples(samples, slices, tuple(notes), of_cells)


def load_batches(
    store: ModelStore, version: str, covered: Sequence[int], start: datetime, end: datetime, max_samples: int
) -> Iterator[Samples]:
    """All rows that ``load_samples`` gives, in shares of whole groups, each in time order: what needs no more than sums
    over groups needs the memory of one share.

    A share holds about ``max_samples`` rows at most (fewer where they have many logits), or one group that is larger.
    """
    span = store.span(version, covered, start, end)
    counts = store.fetch_row(statement("refit_counts"), span)
    most = max_samples * ROOMY // max(_logits_each(store.connection, span), ROOMY)
    shares = math.ceil(counts[0] / (0.9 * most))  # they are not quite equal
    for share in range(shares):
        wanted = {"shares": shares, "share": share} if shares > 1 else {}
        yield _read(store, span, _SHARE if shares > 1 else "", wanted)[0]


# to go on from refit_samples
_CHOSEN = "AND s.rowid IN (SELECT row_key FROM parts WHERE part <= $cut)"
_SHARE = "AND hash(coalesce(s.group_id, s.sample_id)) % $shares::UBIGINT = $share::UBIGINT"  # else of 128 bits, slowly
_IN_ORDER = "ORDER BY s.observed_at, s.sample_id"
_PARTS = 1 << 16


def _choose(connection: duckdb.DuckDBPyConnection, span: Mapping[str, object], usable: int, most: int) -> int:
    """Fill `parts` with the rows that a choice of ``most`` can take, and some more; the last part to take."""
    last = _PARTS * most // usable  # if groups were equal
    while True:
        last = min(last + last // 4 + 1, _PARTS - 1)
        connection.execute(statement("refit_parts"), {**span, "last": last})
        cut, is_enough = fetch_row(connection, statement("refit_cut"), {"max_samples": most})
        if is_enough or last == _PARTS - 1:
            return int(cut)
        last *= 2  # most rows are of a few groups, further on


@dataclass(frozen=True, slots=True)
class _Beyond:
    """What no sample stands for: columns image_id and observed_at, of ``missed`` also class; ``images``: None, unknown."""

    missed: Mapping[str, Any]
    images: Mapping[str, Any] | None


def _read_beyond(store: ModelStore, span: Mapping[str, Any], last: int) -> _Beyond:
    """Objects that no detection found, of the images that samples are taken of; and where a source lists images, all of
    these that are labelled."""
    window = {name: span[name] for name in ("model_id", "start", "end")}
    store.execute(statement("objects_blank"), window)
    # nothing is chosen where there is no first part
    own = {**span, "last": max(last, 0)}
    missed = store.execute(statement("objects_missed"), own).fetchnumpy()
    if not any(source.holds == "images" for source in store.model.source):
        return _Beyond(missed, None)
    covered = find_image_slices(store, window, span["covered"])
    return _Beyond(missed, store.execute(statement("objects_labelled"), {**own, "covered": covered}).fetchnumpy())


def _read(
    store: ModelStore, span: Mapping[str, object], choice: str, values: Mapping[str, object],
    beyond: _Beyond | None = None,
) -> tuple[Samples, tuple[Slice, ...]]:  # fmt: skip
    rows = store.execute(f"{statement('refit_samples')} {choice} {_IN_ORDER}", {**span, **values}).fetchnumpy()
    finest = {slice_id: slice_ for slice_, slice_id in store.registry.slices.items()}
    ids, index = np.unique(rows["slice_id"], return_inverse=True)
    n = np.asarray(rows["n"], dtype=np.float64)
    outcome = np.asarray(rows["positives"], dtype=np.float64) / n
    predicted = _names(rows["predicted_class"])
    held = load_holdings(store)
    logits, label_index, said = match_class_logits(rows["logits"], rows["label"], predicted, outcome, store.model, held)
    missed, images = (None, None) if beyond is None else (beyond.missed, beyond.images)
    group, (of_missed, of_images) = _group_codes(
        rows["group_id"], *(() if each is None else each["image_id"] for each in (missed, images))
    )
    samples = Samples(
        score=np.asarray(rows["raw_score"], dtype=np.float64),
        outcome=outcome,
        logits=logits,
        label_index=label_index,
        group=group,
        observed_at=np.asarray(rows["observed_at"], dtype=np.float64),
        slice_index=index.astype(np.int64),
        predicted_class=predicted,
        n=n if (n > 1).any() else None,
        about_logits=AboutLogits(said, "probabilities" if held == {PROBABILITIES} else "logits"),
        missed=None
        if missed is None
        else Missed(
            of_missed, np.asarray(missed["observed_at"], dtype=np.float64), np.asarray(missed["class"]).astype(str)
        ),
        images=None
        if images is None
        else LabelledImages(of_images, np.asarray(images["observed_at"], dtype=np.float64)),
    )
    return samples, tuple(finest[int(slice_id)] for slice_id in ids)


def _logits_each(connection: duckdb.DuckDBPyConnection, span: dict[str, object]) -> int:
    """How many logits a row has, by the first that has any: all rows would be read for the most."""
    row = connection.execute(statement("refit_logits_length"), span).fetchone()
    return int(row[0]) if row else 0


def _names(column: object) -> NDArray[np.str_] | None:
    """Texts, "" where there is none; None where no row has any."""
    texts: np.ma.MaskedArray[Any, Any] = np.ma.asarray(column)
    absent = np.ma.getmaskarray(texts)
    return None if absent.all() else np.where(absent, "", np.ma.getdata(texts).astype(str))


def _group_codes(column: object, *beyond: Sequence[str]) -> tuple[NDArray[np.int64] | None, list[NDArray[np.int64]]]:
    """Codes of equal group ids; −1 where a sample has none; None when none has and there is nothing ``beyond``. And those of
    what is beyond, whose groups may have no sample."""
    texts: np.ma.MaskedArray[Any, Any] = np.ma.asarray(column)
    absent = np.ma.getmaskarray(texts)
    held = [texts.data[~absent].astype(str), *(np.asarray(each, dtype=str) for each in beyond)]
    _, found = np.unique(np.concatenate(held), return_inverse=True)
    own, *others = np.split(found.reshape(-1).astype(np.int64), np.cumsum([len(each) for each in held])[:-1])
    if absent.all() and not any(map(len, others)):
        return None, others
    codes = np.full(len(texts), -1, dtype=np.int64)
    codes[~absent] = own
    return codes, others
