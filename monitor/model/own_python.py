"""How calwatch starts processes of its own: the same Python and the same calwatch, in whatever directory people stand.

By itself, because rooms that know nothing of each other start processes: sources, jobs, charts and commands.
"""

import os
import sys
from pathlib import Path

import monitor


def own_python(*arguments: str) -> list[str]:
    """The command that runs this Python with these arguments.

    ``-P``: what happens to lie in the current directory, a folder ``monitor`` or a file ``json.py``, is not imported.
    """
    return [sys.executable, "-P", *arguments]


def own_environment() -> dict[str, str]:
    """The variables of this process, with which the same calwatch is found, be it installed or not."""
    package = str(Path(monitor.__file__).parent.parent)
    known = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([package, *([known] if known else [])])}
