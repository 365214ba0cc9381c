"""Prometheus text of a registry, with the part that only changes once a cycle rendered once a cycle.

``prometheus_client.generate_latest`` sorts, escapes and formats the labels of each sample anew: 130 ms for 10,000
series. A slice's labels are the same in all its metrics, and its values the same until the next cycle. So the families
of a snapshot keep their text beside their samples, and a scrape joins texts; the live counters and histograms, a few
hundred lines, go through ``generate_latest`` each time. A test holds both ways to give the same bytes.
"""

import hashlib
from collections.abc import Iterable, Mapping

from prometheus_client import generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

from monitor.model.wording import make_visible

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


_LONGEST = 300  # characters of a label's value
_READABLE = {"\n", "\t"}  # beside printable ones


def _bounded(value: str) -> str:
    """The value as Prometheus can read it: one with a NUL would end the scrape of all series, one of megabytes its patience.

    Control characters become their signs (``␀``), a long value ends in its hash, so that no two become one.
    """
    if len(value) > _LONGEST:
        digest = hashlib.sha256(value.encode("utf-8", "replace")).hexdigest()[:8]
        value = f"{value[: _LONGEST - 9]}…{digest}"
    if value.isprintable():
        return value
    return "".join(each if each.isprintable() or each in _READABLE else make_visible(each) for each in value)


class LabelSet:
    """Label names and values of series, with their text ``{a="1",b="2"}`` (names sorted) made once."""

    __slots__ = ("text", "values")

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = {name: _bounded(value) for name, value in values.items()}
        self.text = ""
        if values:
            self.text = (
                "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in sorted(self.values.items())) + "}"
            )


class SnapshotFamily(GaugeMetricFamily):
    """A gauge and its series as of one cycle. Filled by its maker, then never changed."""

    def __init__(self, name: str, documentation: str) -> None:
        super().__init__(name, documentation)
        explanation = documentation.replace("\\", r"\\").replace("\n", r"\n")
        self._lines = [f"# HELP {name} {explanation}\n# TYPE {name} gauge\n"]
        self.text = b""

    def add_series(self, labels: LabelSet, value: float) -> None:
        self.samples.append(Sample(self.name, labels.values, value))
        number = floatToGoString(value)  # type: ignore[no-untyped-call]  # the library ships it without types
        self._lines.append(f"{self.name}{labels.text} {number}\n")

    def render_text(self) -> None:
        """Render ``text``; called once, after the last series."""
        self.text = "".join(self._lines).encode()
        self._lines = []


class _Alone:
    """A collector of one family, which is what ``generate_latest`` takes."""

    def __init__(self, family: Metric) -> None:
        self.family = family

    def collect(self) -> Iterable[Metric]:
        return (self.family,)


def exposition(registry: Collector) -> bytes:
    """The registry in the Prometheus text format 0.0.4, UTF-8; the same bytes as ``generate_latest(registry)``."""
    return b"".join(
        family.text if isinstance(family, SnapshotFamily) else generate_latest(_Alone(family))
        for family in registry.collect()
    )
