"""What people see, as approved: one file a surface. After a wanted change the tests of it write the file anew with
CALWATCH_REGENERATE_GOLDEN=1 in their environment; its diff is what changed for people."""

import os
from pathlib import Path

HERE = Path(__file__).parent


def approved(surface: str, found: str) -> str:
    """Return the approved text of a surface (``help``, ``metrics``), which is ``found`` where all are to be written anew."""
    path = HERE / f"{surface}.txt"
    if os.environ.get("CALWATCH_REGENERATE_GOLDEN"):
        path.write_text(found, "utf-8")
    return path.read_text("utf-8")
