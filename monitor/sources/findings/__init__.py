"""What ``calwatch check`` finds, and how much it matters."""

from dataclasses import dataclass
from enum import StrEnum


class Weight(StrEnum):
    """How much a finding matters: by it ``calwatch check`` exits with 0, 1 or 2."""

    NOTE = "note"
    SUSPICIOUS = "suspicious"
    MISTAKE = "mistake"


@dataclass(frozen=True, slots=True)
class Finding:
    """A sentence with its weight."""

    text: str
    weight: Weight = Weight.SUSPICIOUS
