"""The page in a real browser: clicked through on a desk, on a phone, in the dark, by keyboard alone; and on paper.

Nothing is loaded from another host, and the console stays silent.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from itertools import pairwise
from urllib.parse import urlencode

import pytest

from monitor.engine.http import HttpServer
from monitor.model import Published, Reading, Slice
from monitor.model.reasons import Reason
from monitor.publish.web.app import create_app
from tests.deploy.tools import needed
from tests.worlds.page import EVIL, HAZED, Site, played
from tests.worlds.process import free_port

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
    from monitor.charts.client import Drawer

    listen = f"127.0.0.1:{free_port()}"
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
        page.locator("h2 >> text=Attempts").wait_for(state="visible")
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
            replace(digits.alerts[0], model=long, rule=long, why=Reason.from_text(long), version=long, slice=each)
            for each in slices
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


PAGES = (
    "", "model?model=m", f"slice?{urlencode({'model': 'm', 'slice': HAZED})}", "rules?model=m", "thresholds?model=m",
    "jobs?model=m", "intake?model=m", "intake?model=m&reason=score_outside_0_1", "settings", "settings?model=m", "jobs",
    "intake", "model?model=quiet",
)  # fmt: skip


@pytest.mark.parametrize("width", [390, 320])
def test_no_page_scrolls_sideways_on_a_phone(browser: Browser, address: str, width: int) -> None:
    with tab(browser, address, width=width) as page:
        for path in PAGES:
            page.goto(f"{address}{path}")
            for summary in page.locator("summary").all():
                summary.click()
            assert overflow(page) == 0, path


@pytest.mark.parametrize("dark", [False, True])
def test_a_wide_table_shows_where_there_is_more_of_it_and_keeps_its_first_column(
    browser: Browser, address: str, dark: bool
) -> None:
    with tab(browser, address, width=390, dark=dark) as page:
        page.goto(f"{address}model?model=m")
        box = page.locator(".scroll").first
        box.scroll_into_view_if_needed()
        assert box.evaluate("box => box.scrollWidth > box.clientWidth + 100"), "or there is nothing to show"

        def is_shaded() -> bool:
            """Whether the right edge looks other than it does on a plain ground."""
            found = box.bounding_box()
            assert found is not None
            clip = {"x": found["x"] + found["width"] - 9, "y": found["y"] + 2, "width": 6, "height": 200}
            seen = page.screenshot(clip=clip)  # type: ignore[arg-type]  # a dict is what it takes
            box.evaluate("box => { box.style.background = 'var(--panel)' }")
            plain = page.screenshot(clip=clip)  # type: ignore[arg-type]  # a dict is what it takes
            box.evaluate("box => { box.style.background = '' }")
            return seen != plain

        first = box.locator("tbody th").first
        before = first.bounding_box()
        assert is_shaded(), "there is more on the right"
        box.evaluate("box => { box.scrollLeft = box.scrollWidth }")
        assert not is_shaded(), "there is no more on the right"
        assert first.bounding_box() == before, "the first column stays"


def test_every_page_has_headings_in_order_and_tables_that_say_what_they_are(browser: Browser, address: str) -> None:
    with tab(browser, address) as page:
        for path in PAGES:
            page.goto(f"{address}{path}")
            levels = page.evaluate(
                "Array.from(document.querySelectorAll('h1,h2,h3,h4,h5,h6'), each => +each.tagName[1])"
            )
            assert levels[0] == 1, path
            assert levels.count(1) == 1, path
            assert all(after <= before + 1 for before, after in pairwise(levels)), (path, levels)
            tables = page.evaluate(
                "Array.from(document.querySelectorAll('table'), each => [each.caption?.textContent ?? '', "
                "each.querySelectorAll('th:not([scope])').length, "
                "each.querySelectorAll('tbody tr:not(:has(th[scope=row]))').length, each.parentElement.tabIndex, "
                " each.parentElement.getAttribute('role')])"
            )
            for caption, without_scope, without_header, tabindex, role in tables:
                assert (caption.strip() != "", without_scope, without_header) == (True, 0, 0), path
                assert (tabindex, role) == (0, "region"), path
            unnamed = page.evaluate(
                "Array.from(document.querySelectorAll('a, button, input:not([type=hidden]), select, summary, img, nav'))"
                ".filter(each => !(each.textContent.trim() || each.alt || each.labels?.length || each.ariaLabel)).length"
            )
            assert unnamed == 0, path
            twice = page.evaluate(
                "(ids => ids.length - new Set(ids).size)(Array.from(document.querySelectorAll('[id]'), e => e.id))"
            )
            assert twice == 0, path


def test_whatever_has_the_focus_shows_it(browser: Browser, address: str) -> None:
    with tab(browser, address) as page:
        for path in PAGES:
            page.goto(f"{address}{path}")
            seen = 0
            for _ in range(150):
                page.keyboard.press("Tab")
                tag, style, width, boxes = page.evaluate(
                    "((each, look) => [each.tagName, look.outlineStyle, parseFloat(look.outlineWidth), "
                    "each.getClientRects().length])(document.activeElement, getComputedStyle(document.activeElement))"
                )
                if tag == "BODY":
                    break
                seen += 1
                assert (style, width >= 2, boxes > 0) == ("solid", True, True), (path, tag)
            assert seen > 5, path


def test_a_threshold_of_scores_without_a_calibrator_has_its_picture(browser: Browser, small: Published) -> None:
    digits = small.models[0]
    bare = replace(digits, thresholds=tuple(replace(each, calibrator="") for each in digits.thresholds))
    with served(Site(Published(small.at, (bare,)), small.at)) as address:
        page = browser.new_page()
        answers: list[int] = []
        page.on("response", lambda answer: answers.append(answer.status) if "tradeoff.svg" in answer.url else None)
        page.goto(f"{address}thresholds?model=digits")
        for image in page.query_selector_all("img.chart"):
            image.scroll_into_view_if_needed()
        page.wait_for_load_state("networkidle")
        page.close()
        assert answers
        assert set(answers) == {503}, "found, but for the past that there is not here"


def test_a_path_there_is_not_leads_back_from_any_depth(browser: Browser, address: str) -> None:
    page = browser.new_page()
    answer = page.goto(f"{address}model/m/slices")
    assert answer is not None
    assert answer.status == 404
    assert page.evaluate("getComputedStyle(document.querySelector('header')).display") == "flex", "it has the style"
    page.click("main >> text=All models")
    assert page.locator("h1").inner_text() == "Overview"
    page.close()


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
