"""What a pull brought, in numbers."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from monitor.model.problems import NOTHING_TAKEN, Outcome, Problem
from monitor.sources.remedies import Lateness


@dataclass(slots=True)
class Pulled:
    """What a pull brought, in rows; ``quarantined`` by reason, of rows that were not known before."""

    files: int = 0
    rows: int = 0
    new: int = 0
    labelled: int = 0
    duplicates: int = 0
    corrected: int = 0
    tried_again: int = 0  # of those that waited
    changed_predictions: int = 0  # of those corrected: another score, slice, version
    clipped: int = 0  # new ones whose score was a hair outside [0, 1]
    labelled_late: int = 0  # labels of days that are final: measured, not judged for drift
    ambiguous_times: int = 0  # in the doubled hour of autumn, decided without a hint
    removed: int = 0  # samples taken out again
    bad: Counter[str] = field(default_factory=Counter)  # all rows set aside, by reason: those known from before too
    quarantined: Counter[str] = field(default_factory=Counter)
    late: list[Lateness] = field(default_factory=list)  # of rows set aside as label_too_late
    problems: list[Problem] = field(default_factory=list)
    # of each file, where several are settled in one batch
    file_outcomes: dict[str, Outcome] = field(default_factory=dict)

    def add_counts(self, other: "Pulled") -> None:
        """Count in what another batch brought."""
        for each in fields(self):
            if each.name != "file_outcomes":
                setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))


@dataclass(frozen=True, slots=True)
class NotRead:
    """What a cycle could not read, by model and source: ``new`` in this cycle, ``aside`` of earlier ones, as sentences."""

    new: tuple[str, ...]
    aside: tuple[str, ...]
    read_nothing: bool  # there was something new, and nothing of it could be read

    @classmethod
    def of(cls, pulled: Mapping[str, Mapping[str, Pulled]]) -> "NotRead":
        """Of what a cycle pulled, by model and source."""
        found = [
            (f'model "{model}", source "{source}": {problem.message}', problem.news)
            for model, sources in pulled.items() for source, each in sources.items()
            for problem in each.problems if problem.reason in NOTHING_TAKEN
        ]  # fmt: skip
        new = tuple(text for text, news in found if news)
        files = sum(each.files for sources in pulled.values() for each in sources.values())
        return cls(new, tuple(text for text, news in found if not news), bool(new) and not files)
