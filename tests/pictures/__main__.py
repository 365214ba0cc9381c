"""The pictures of the documents: ``python -m tests.pictures`` plays the demo and writes page.webp and dashboard.webp
into deploy/images.

Needs Debian's chromium and prometheus, and the extra ``test``.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.pictures.dashboard import draw_dashboard
from tests.pictures.page import photograph_page
from tests.pictures.small import as_webp

IMAGES = Path(__file__).parents[2] / "deploy" / "images"


def main() -> None:
    """Write those that are named, or both."""
    IMAGES.mkdir(exist_ok=True)
    for name, make in (("page", photograph_page), ("dashboard", draw_dashboard)):
        if name in (sys.argv[1:] or ("page", "dashboard")):
            with TemporaryDirectory() as directory:
                picture = as_webp(make(Path(directory)))
            (IMAGES / f"{name}.webp").write_bytes(picture)
            sys.stdout.write(f"{IMAGES / name}.webp: {len(picture) / 1000:.0f} kB\n")


if __name__ == "__main__":
    main()
