"""Pictures made small: Chromium writes them as WebP."""

import base64
import shutil

from playwright.sync_api import sync_playwright

_WRITE = """async source => {
    const image = new Image(); image.src = source; await image.decode();
    const canvas = document.createElement('canvas'); canvas.width = image.width; canvas.height = image.height;
    canvas.getContext('2d').drawImage(image, 0, 0);
    return canvas.toDataURL('image/webp', 0.8);
}"""


def chromium() -> str:
    """The browser's path."""
    found = shutil.which("chromium")
    assert found, "needs chromium (Debian: apt install chromium)"
    return found


def as_webp(png: bytes) -> bytes:
    """The same picture in a third of the bytes."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        written: str = browser.new_page().evaluate(_WRITE, f"data:image/png;base64,{base64.b64encode(png).decode()}")
        browser.close()
    return base64.b64decode(written.partition(",")[2])
