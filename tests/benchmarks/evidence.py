"""The weigh stage: one new bucket of 1,000 slices with the store around it, and the state it keeps of each."""

from datetime import timedelta
from pathlib import Path

from monitor.engine.stages.drift import weigh_evidence
from monitor.rules.pack import Rulebook, parse_pack
from monitor.sources.pull import file_sources, pull_sources
from monitor.store.connection import open_live
from monitor.store.model_store import ModelStore

from .figures import MEMORY_LIMIT, Figure, apart, median, spread, timed
from .scale import Scale
from .traffic import BEGAN, configuration, write_files

_DAYS = 7
_HOUR = timedelta(hours=1)
_FIRST = BEGAN + 5 * _HOUR  # judged at once, before the buckets that are timed
_RULE = '[[rule]]\nname = "drift"\nkind = "drift"\nseverity = "page"\nsummary = "s"\nfalse_alarms = "1/year"\n'
_REFERENCES = {"scores": "", "deployment": 'reference = "deployment"\nreference_samples = 200\n'}


def measure(scale: Scale, room: Path) -> list[Figure]:
    cameras, lightings = scale.grid
    write_files(room / "files", scale.week_samples, _DAYS, cameras=cameras, lightings=lightings)
    apart(_take, room)
    slices = (1 + cameras) * (1 + lightings)
    figures = []
    for name in _REFERENCES:
        early, late, size = apart(weigh_hours, room, name, scale.cycles)
        title = f"weigh a new bucket of {slices:,} slices against {name}"
        figures.append(Figure(title, median(early), "s", 0.5, spread(early)))
        figures.append(Figure("  the same five days later", median(late), "s", 0.5, spread(late)))
        figures.append(Figure("  largest state of a slice", size / 1000, "kB", 10))
    return figures


def _take(room: Path) -> None:
    config = configuration(room)
    connection = open_live(config.state_dir, memory_limit=MEMORY_LIMIT, now=BEGAN)
    store = ModelStore.load(connection, config.model[0], BEGAN)
    pull_sources(
        store,
        file_sources(config.model[0], room),
        (),
        BEGAN + timedelta(days=_DAYS),
    )
    connection.close()


def weigh_hours(room: Path, reference: str, repeats: int) -> tuple[list[float], list[float], int]:
    """Seconds for each of some hours, for each of as many five days later, and bytes of the largest state."""
    config = configuration(room)
    model = config.model[0]
    connection = open_live(config.state_dir, memory_limit=MEMORY_LIMIT, now=BEGAN)
    store = ModelStore.load(connection, model, BEGAN)
    connection.execute("UPDATE models SET changed_from = NULL")
    book = Rulebook(parse_pack(_RULE + _REFERENCES[reference], "own.toml"))
    spent = []
    for start in (_FIRST, _FIRST + timedelta(days=5)):
        weigh_evidence(store, book, start)
        laps = []
        for hour in range(1, repeats + 1):
            with timed() as lap:
                weigh_evidence(store, book, start + hour * _HOUR)
            laps.append(lap.seconds)
        spent.append(laps)
    row = connection.execute(
        "SELECT max(octet_length(state) + coalesce(octet_length(reference), 0)) FROM evidence_streams"
    ).fetchone()
    connection.close()
    return spent[0], spent[1], int(row[0]) if row else 0
