"""The page in a real browser: clicked through on a desk, on a phone, in the dark, by keyboard alone; and on paper.

Nothing is loaded from another host, and the console stays silent.
"""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from urllib.parse import urlencode

import pytest

from monitor.model import Published, Reading, Slice
from monitor.publish.web import create_app
from monitor.server import HttpServer
from tests.deploy.tools import needed
from tests.publish.page_world import EVIL, HAZED, Site, played

if find_spec("playwright") is None:
    told = "playwright is missing: pip install 'calwatch[test]'"
    if os.environ.get("CALWATCH_CI"):
        pytest.fail(told, pytrace=False)
    pytest.skip(told, allow_module_level=True)

from playwright.sync_api import Browser, Page, sync_playwright

PHONE, DESK = 375, 1280


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    needed("chromium")
    with played(tmp_path_factory.mktemp("line")) as site, served(site) as listen:
        yield listen


@contextmanager
def served(site: Site) -> Iterator[str]:
    from monitor.publish.drawing import Drawer

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{probe.getsockname()[1]}"
    drawer = Drawer(timeout=60)
    server = HttpServer(create_app(site, now=lambda: site.now, drawer=drawer), listen)
    try:
        yield f"http://{listen}/"
    finally:
        server.stop()
        drawer.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = needed("chromium")
    with sync_playwright() as running:
        opened = running.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


@contextmanager
def tab(browser: Browser, address: str, *, width: int = DESK, dark: bool = False) -> Iterator[Page]:
    """A page whose console and requests are watched: at the end nothing must have gone wrong, or elsewhere."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light")
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(f"console {message.type}: {message.text}"))
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("response", lambda answer: wrong.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None)
    page.on("request", lambda asked: None if asked.url.startswith((address, "data:")) else wrong.append(asked.url))
    yield page
    context.close()
    assert wrong == []


def pictures(page: Page) -> int:
    """Waits until every picture in sight has come; how many there are. All must be real ones."""
    for image in page.query_selector_all("img.chart"):
        image.scroll_into_view_if_needed()
    page.wait_for_load_state("networkidle")
    sizes = page.evaluate("Array.from(document.images).map(image => image.complete ? image.naturalWidth : 0)")
    assert all(sizes), sizes
    return len(sizes)


def overflow(page: Page) -> int:
    """Pixels by which the page is wider than the window; tables scroll inside."""
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return int(wide)


@pytest.mark.parametrize(
    ("width", "dark"), [(DESK, False), (PHONE, False), (DESK, True)], ids=["desk", "phone", "dark"]
)
def test_everything_can_be_reached_by_clicking(browser: Browser, address: str, width: int, dark: bool) -> None:
    with tab(browser, address, width=width, dark=dark) as page:
        page.goto(address)
        assert page.locator(".cards .state").first.inner_text() == "firing"
        page.click(".cards a >> text=m")
        page.click("thead >> text=AUROC")
        assert page.locator("th[aria-sort=ascending]").inner_text().startswith("AUROC")
        page.fill("input[name=find]", "c1 night")
        page.click("button >> text=Filter")
        assert page.locator("tbody").first.locator("tr").count() == 1
        assert pictures(page) == 1
        assert overflow(page) == 0
        page.click(f"a >> text={HAZED.replace(',', ',')}")
        assert page.locator("h1 bdi").inner_text() == HAZED
        assert pictures(page) == 4
        assert overflow(page) == 0
        page.click("summary >> text=Bins as numbers")
        assert page.locator("details table").is_visible()
        page.click("nav[aria-label=Span] >> text=7d")
        for name in ("Rules", "Thresholds", "Jobs", "Sources", "Configuration"):
            page.click(f"nav[aria-label='Of this model'] >> text={name}")
            assert page.locator("nav[aria-label='Of this model'] [aria-current=page]").inner_text() == name
            pictures(page)
            assert overflow(page) == 0, name
        page.click("nav[aria-label='Of this model'] >> text=Jobs")
        page.click("a >> text=/^job /")
        assert page.locator("h2 >> text=Attempts").is_visible()
        page.click("header >> text=calwatch")
        assert page.locator("h1").inner_text() == "Overview"


@pytest.mark.parametrize("width", [DESK, PHONE])
def test_names_of_any_length_and_script_stay_within_the_window(
    browser: Browser, small: Published, reading: Callable[..., Reading], width: int
) -> None:
    long, turned = "x" * 3000, "\u202eמצלמה 📷"
    slices = [Slice.of({"camera": each, "lighting": each}) for each in (long, turned, EVIL)]
    digits = small.models[0]
    hostile = replace(
        digits, name=long, problem=long, readings=(reading(), *(reading(each, ece_lower=0.1) for each in slices)),
        alerts=tuple(
            replace(digits.alerts[0], model=long, rule=long, reason=long, version=long, slice=each) for each in slices
        ),
    )  # fmt: skip
    site = Site(Published(small.at, (hostile,)), small.at)
    asked = urlencode({"model": long})
    with served(site) as address:
        for path in (
            "",
            f"model?{asked}",
            f"thresholds?{asked}",
            f"slice?{asked}&{urlencode({'slice': slices[1].text})}",
        ):
            context = browser.new_context(viewport={"width": width, "height": 900}, java_script_enabled=False)
            page = context.new_page()
            page.goto(f"{address}{path}")
            assert overflow(page) == 0, path.partition("?")[0]
            context.close()


def test_a_row_that_was_set_aside_is_in_sight_on_a_phone(browser: Browser, address: str) -> None:
    with tab(browser, address, width=PHONE) as page:
        page.goto(f"{address}intake?model=m&reason=score_outside_0_1")
        box = page.locator("td.record").first.bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= PHONE


def test_what_is_not_there_leads_back(browser: Browser, address: str) -> None:
    page = browser.new_page()
    answer = page.goto(f"{address}slice?model=m&slice=camera%3Dnone")
    assert answer is not None
    assert answer.status == 404
    page.click("main >> text=Slices of m")
    assert page.locator("h1").inner_text().startswith("Slices of m")
    page.close()


def test_the_keyboard_is_enough(browser: Browser, address: str) -> None:
    with tab(browser, address) as page:
        page.goto(f"{address}model?model=m")
        page.keyboard.press("Tab")
        skip = page.locator(":focus")
        assert skip.inner_text() == "To the content"
        box = skip.bounding_box()
        assert box is not None
        assert box["y"] >= 0, "the link shows when it has the focus"
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.evaluate("document.querySelector('main').contains(document.activeElement)")
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        for _ in range(60):
            if page.evaluate("document.activeElement.closest('thead') !== null"):
                break
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_url("**sort=*")


def test_dark_mode_darkens_the_page_and_paper_stays_light(browser: Browser, address: str) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    with tab(browser, address, dark=True) as page:
        page.goto(address)
        assert page.evaluate(ground) == "rgb(20, 23, 26)"
        page.emulate_media(media="print", color_scheme="dark")
        assert page.evaluate(ground) == "rgb(255, 255, 255)"
        assert not page.locator("header nav").is_visible()


def test_the_page_works_without_javascript(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}model?model=m")
    page.click("tbody a >> nth=0")
    assert page.locator("h2 >> text=Over time").is_visible()
    context.close()
