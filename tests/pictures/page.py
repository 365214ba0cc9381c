"""A photograph of the page in Chromium: the hazed camera at night, as the demo stood two days after its refit."""

import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Error, sync_playwright

from tests.pictures.small import chromium
from tests.worlds.process import free_port

ADDRESS = "slice?model=digits&slice=camera%3Dc3%2Clighting%3Dnight&window=7d&span=30d"

WIDTH = 1360
UNTIL = "2026-02-09T00:00:00+00:00"  # the refit of 6 February is in charge, and the alerts over a week still fire
_PLAY = """
import sys
from datetime import datetime
from pathlib import Path
from monitor.engine.played_server import serve_published
from monitor.cli.demo.play import play_demo
directory = Path(sys.argv[1])
serve_published(play_demo(directory, datetime.fromisoformat(sys.argv[2])).published, sys.argv[3], directory)
"""


def photograph_page(directory: Path) -> bytes:
    """PNG of the slice's page."""
    port = free_port()
    command = [sys.executable, "-c", _PLAY, str(directory / "demo"), UNTIL, f"127.0.0.1:{port}"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as serving:
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
                page = browser.new_page(viewport={"width": WIDTH, "height": 900}, bypass_csp=True)  # to wait for charts
                for _ in range(400):  # the demo is played first
                    try:
                        page.goto(f"http://127.0.0.1:{port}/{ADDRESS}")
                        break
                    except Error as error:  # not yet listening
                        if "ERR_CONNECTION_REFUSED" not in str(error) or serving.poll() is not None:
                            raise
                        page.wait_for_timeout(500)
                for picture in page.locator("img.chart").all():
                    picture.scroll_into_view_if_needed()
                page.wait_for_function("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
                page.evaluate("scrollTo(0, 0)")
                rest = page.get_by_role("heading", name="Drift evidence against its limit").bounding_box()
                assert rest is not None
                height = int(rest["y"])
                shot = page.screenshot(full_page=True, clip={"x": 0, "y": 0, "width": WIDTH, "height": height})
                browser.close()
        finally:
            serving.terminate()
    return shot
