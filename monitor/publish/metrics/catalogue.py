"""All metrics with their HELP texts, as ``catalogue.toml`` beside this file lists them.

By itself, because documents and tests read it without the metrics' library.
"""

import tomllib
from collections.abc import Mapping
from importlib import resources
from typing import Any

_HELD = tomllib.loads((resources.files("monitor.publish.metrics") / "catalogue.toml").read_text("utf-8"))
_GAUGES: Mapping[str, Mapping[str, str]] = _HELD["gauges"]

ON_READINGS = tuple(_GAUGES["readings"])  # metrics of a reading, each in a gauge of its name
_METRIC_OF = {"live_f1": "threshold_f1", "live_fp_per_image": "fp_per_image", "objects": "truths"}
ON_OBJECTS = {_METRIC_OF.get(name, name): name for name in _GAUGES["objects"]}  # metric of a reading → its gauge
# name → HELP text, in the order they are exposed
HELP = {f"calwatch_{name}": text for table in _GAUGES.values() for name, text in table.items()}
# name → labels, help, of histograms also buckets
COUNTERS: Mapping[str, Mapping[str, Any]] = _HELD["counters"]
HISTOGRAMS: Mapping[str, Mapping[str, Any]] = _HELD["histograms"]
CONFIGURATION: Mapping[str, str] = _HELD["configuration"]  # name → HELP text
