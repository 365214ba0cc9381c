"""The schemas of artefacts under the name that they were documented by until version 0.1: ``artefact_schema()`` and
``current_schema()``. By itself, because ``import monitor.recalibration.schemas`` is to go on working; it warns once.
"""

import warnings

from monitor.recalibration.artefact_schema import artefact_schema as artefact_schema
from monitor.recalibration.artefact_schema import current_schema as current_schema

warnings.warn(
    "monitor.recalibration.schemas is now monitor.recalibration.artefact_schema; or print the schemas with: "
    "calwatch schema --artefact, calwatch schema --current",
    DeprecationWarning,
    stacklevel=2,
)
