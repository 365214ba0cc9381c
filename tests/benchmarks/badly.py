"""A first load whose outcomes do not follow their scores, beside the same load with honest scores.

Raw softmax scores of a new model look like the first: every slice alarms, day after day, and asks for refits.
"""

from pathlib import Path
from time import process_time

from prometheus_client import CollectorRegistry

from monitor.engine.cycle import Cycle, build_watched
from monitor.publish.metrics.instruments import Instruments
from monitor.store.connection import open_live

from .figures import MEMORY_LIMIT, Figure, apart, median, spread, timed
from .scale import Scale
from .traffic import BEGAN, DAYS, ENDED, configuration, write_files

_CAMERAS, _LIGHTINGS = 4, 5  # (1 + 4)(1 + 5) = 30 slices
_STAGES = ("pull", "measure", "weigh", "judge")
_KINDS = {"calibrated": True, "badly calibrated": False}


def measure(scale: Scale, room: Path) -> list[Figure]:
    taken: dict[str, list[dict[str, float]]] = {kind: [] for kind in _KINDS}
    for kind, honest in _KINDS.items():
        (room / kind).mkdir()
        rows = write_files(
            room / kind / "files", scale.badly_rows, cameras=_CAMERAS, lightings=_LIGHTINGS, honest=honest
        )
    for turn in range(scale.repeats):  # in turns, so that other work on the machine falls on both alike
        for kind, loads in taken.items():
            loads.append(apart(first_load, room / kind, turn))
    whole = {kind: [load["whole"] for load in loads] for kind, loads in taken.items()}
    ratios = [bad / good for good, bad in zip(*whole.values(), strict=True)]
    figures = [
        Figure(
            f"first load of {rows:,} badly calibrated rows, {DAYS} days, as times a calibrated one", median(ratios), "×",
            1.5, f"{min(ratios):.2f}–{max(ratios):.2f}, {len(ratios)} runs",
        )
    ]  # fmt: skip
    used = [[load["processor"] for load in loads] for loads in taken.values()]
    ratio = median(used[1]) / median(used[0])
    figures.append(Figure("  the same in processor time, which other work moves less", ratio, "×"))
    for kind, loads in taken.items():
        figures.append(Figure(f"  {kind}", median(whole[kind]), "s", None, spread(whole[kind])))
        stages = ", ".join(f"{stage} {median([load[stage] for load in loads]):.2f}" for stage in _STAGES)
        counts = f"{loads[0]['alarms']:,.0f} alarms, {loads[0]['refits']:.0f} refits, {loads[0]['queued']:.0f} queued"
        figures.append(Figure("    of it weighing", median([load["weigh"] for load in loads]), "s", None, stages))
        figures.append(Figure("    of it refits", median([load["jobs"] for load in loads]), "s", None, counts))
    return figures


def first_load(room: Path, turn: int) -> dict[str, float]:
    """Seconds of the one cycle that takes all files, ``whole`` and of the ``processor``, of its stages and ``jobs``; and
    what it left."""
    base = room / f"run-{turn}"
    base.mkdir()
    (base / "files").symlink_to(room / "files")
    config = configuration(base)
    connection = open_live(config.state_dir, memory_limit=MEMORY_LIMIT, now=BEGAN)
    registry = CollectorRegistry()
    cycle = Cycle(config, build_watched(config), connection, Instruments(registry))
    began = process_time()
    with timed() as lap:
        tick = cycle.tick(ENDED)
    processor = process_time() - began
    assert not tick.failed, tick.failed
    found = {"whole": lap.seconds, "processor": processor}
    for stage in _STAGES:
        found[stage] = registry.get_sample_value("calwatch_cycle_duration_seconds_sum", {"stage": stage}) or 0
    for name, query in {
        "alarms": "SELECT count(*) FROM evidence_alarms",
        "refits": "SELECT count(*) FROM job_log",
        "queued": "SELECT count(*) FROM jobs WHERE state = 'queued'",
        "jobs": "SELECT coalesce(sum(seconds), 0) FROM job_log",
    }.items():
        row = connection.execute(query).fetchone()
        found[name] = float(row[0]) if row else 0.0
    connection.close()
    return found
