"""A refit of a night: on 1 million logit vectors of 10 classes, on 100 million binary samples in cells, and from a store
that holds more labelled rows than a refit may take."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from time import process_time

import numpy as np
from scipy.special import expit, softmax

from monitor.config.settings import Threshold
from monitor.jobs.work import carry_out_work, refit_work
from monitor.model import Slice
from monitor.model.reasons import BY_HAND
from monitor.model.refits import job_of
from monitor.model.samples import Samples
from monitor.recalibration.inputs import gather_inputs
from monitor.recalibration.refit import Refit
from monitor.recalibration.selection import select_calibrator, select_calibrator_from_cells
from monitor.statistics.cells import SUMS, Cells, bin_of, fine_bin_middle
from monitor.store.connection import open_live
from monitor.store.model_store import ModelStore
from tests.worlds.reasons import sentences

from .figures import Figure, apart, peak_megabytes, timed
from .scale import Scale
from .traffic import DAYS, ENDED, configuration, write_history

_CLASSES = 10
_HOURS = 14 * 24


def measure(scale: Scale, room: Path) -> list[Figure]:
    seconds, cpu, peak, chosen = apart(of_logits, scale.logit_vectors)
    spent, binary, cells, samples = apart(of_cells, scale.cell_samples)
    apart(write_history, room, scale.refit_rows, ENDED)
    limit = min(2_000_000, scale.refit_rows // 5)
    gathering, whole, by_rows, most, from_store, reasons = apart(of_store, room, limit)
    vectors = f"{scale.logit_vectors:,} logit vectors of {_CLASSES} classes"
    return [
        Figure(f"select and fit on {vectors}", seconds, "s", 20, f"{cpu:.1f} s of processor time; {chosen}"),
        Figure("  peak memory of the process", peak, "MB", 1500),
        Figure(f"select and fit on {samples:,} binary samples in {cells:,} cells", spent, "s", 2, binary),
        Figure(f"gather {limit:,} of {from_store:,} labelled rows, and cells of the earlier ones", gathering, "s"),
        Figure("  refit on them: select, fit, gate and threshold", whole, "s", None, reasons),
        Figure("  the same with the rows alone", by_rows, "s"),
        Figure("  peak memory of the process", most, "MB", 1500),
    ]


def of_logits(rows: int) -> tuple[float, float, float, str]:
    """Seconds, those of them on a processor, peak megabytes of the process (the samples included), and what was chosen."""
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, (rows, _CLASSES))
    bias = np.linspace(-0.3, 0.3, _CLASSES)
    label = np.concatenate(
        [(part / 1.6 + bias + rng.gumbel(size=part.shape)).argmax(axis=1) for part in np.array_split(logits, 20)]
    )
    score = np.concatenate([softmax(part, axis=1).max(axis=1) for part in np.array_split(logits, 20)])
    outcome = (logits.argmax(axis=1) == label).astype(np.float64)
    clips = np.arange(rows) // 4
    samples = Samples(score, outcome, logits, label, clips, np.arange(rows, dtype=np.float64), np.zeros(rows, np.int64))
    began = process_time()
    with timed() as lap:
        found = select_calibrator("auto", samples)
    return lap.seconds, process_time() - began, peak_megabytes(), sentences(found)[-1]


def of_store(room: Path, limit: int) -> tuple[float, float, float, float, int, str]:
    """Seconds of gathering, of the refit, of one on rows alone; peak megabytes; rows there are; what was chosen."""
    section = {"fit_window": timedelta(days=DAYS), "max_samples": limit}
    config = configuration(room)
    model = config.model[0]
    model = model.model_copy(
        update={
            "recalibration": model.recalibration.model_copy(update=section),
            "threshold": Threshold.model_validate({"policy": "precision>=0.9"}),
        }
    )
    connection = open_live(config.state_dir, memory_limit=config.monitor.memory_limit, now=ENDED)
    job = job_of(model.name, "recalibrate", BY_HAND, Slice(), ENDED)
    with timed() as gathering:
        task = gather_inputs(ModelStore.load(connection, model, ENDED), job, ENDED, ENDED)
    row = connection.execute("SELECT count(*) FROM samples WHERE positives IS NOT NULL").fetchone()
    connection.close()
    assert row is not None
    assert task.counted is not None, task.notes
    laps = []
    for each in (task, replace(task, counted=None)):
        with timed() as lap:
            result = carry_out_work(refit_work("job", each)).result
        assert isinstance(result, Refit), result
        laps.append((lap.seconds, sentences(result)))
    return gathering.seconds, laps[0][0], laps[1][0], peak_megabytes(), int(row[0]), "; ".join(laps[0][1][:-1])


def of_cells(samples: int) -> tuple[float, str, int, int]:
    """Seconds, what was chosen, and how many cells and samples there were."""
    cells = _cells(samples)
    with timed() as lap:
        found = select_calibrator_from_cells("auto", cells)
    return lap.seconds, sentences(found)[-1], len(cells), int(cells.n.sum())


def _cells(samples: int) -> Cells:
    """Two weeks of hourly cells, drawn bin by bin: logits N(0.5, 2²), outcomes by a slope of 0.7 and a shift of 0.2."""
    rng = np.random.default_rng(2)
    score = fine_bin_middle()
    logit = np.log(score) - np.log1p(-score)
    share = np.exp(-(((logit - 0.5) / 2) ** 2) / 2)
    n = rng.multinomial(samples // _HOURS, share / share.sum(), size=_HOURS)
    positives = rng.binomial(n, expit(0.7 * logit + 0.2))
    unit, fine = np.nonzero(n)
    count, happened, p = n[unit, fine].astype(np.float64), positives[unit, fine].astype(np.float64), score[fine]
    loss = -happened * np.log(p) - (count - happened) * np.log1p(-p)
    sums = dict(
        zip(
            SUMS,
            (count, count * p, happened, count * p * p, happened * p, loss, count, count * p, happened),
            strict=True,
        )
    )
    return Cells(unit=unit, bin=bin_of(p), **sums)
