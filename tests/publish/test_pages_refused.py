"""Pages in place of those that cannot be shown: there is no such thing, or it cannot be told now."""

import pytest

from monitor.model import (
    Published,
)
from tests.publish.outline import outline
from tests.publish.pages import AT, MODEL, page, refused
from tests.worlds.page import Site


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/model?model=x", 'There is no model "x". Known: digits, seams.'),
        (f"{MODEL}&window=5h", 'Model "digits" has no readings over window "5h". Known: 24h.'),
        (f"{MODEL}&sort=price", 'Slices cannot be sorted by "price". Known: worst, slice, debiased, ece, luck, evidence, '
         "samples, labelled, gap, brier, auroc."),
        ("/slice?model=digits&slice=camera%3Dzz", 'Model "digits" has no reading of slice "camera=zz". Its slices are on '
         "the model's page."),
        ("/slice?model=digits&slice=zz", "Slice must be \"all\" or \"name=value,…\" (got 'zz' in 'zz')."),
        ("/slice?model=digits&slice=all&version=v0",
         'The slice has no reading of version "v0" over 24h. Known: v1 over 24h.'),
        ("/slice?model=digits&slice=all&span=5y", 'There is no span "5y". Known: 7d, 30d, 90d, 2y.'),
    ],
)  # fmt: skip
def test_what_there_is_not_is_not_found_and_the_page_says_what_there_is_and_leads_on(
    small: Published, path: str, told: str
) -> None:
    found, said = refused(Site(small, AT), path, 404)
    assert told in said
    assert "./" in found.links
    assert ("model?model=digits" in found.links) is ("digits" in path), "where the model is known, its page"


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/?page=0", "Page: Input should be greater than or equal to 1."),
        (f"{MODEL}&page=x", "Page: Input should be a valid integer"),
        ("/model", "Model: Field required."),
        ("/slice?model=digits", "Slice: Field required."),
    ],
)
def test_an_address_that_cannot_be_read_is_refused_with_a_page(small: Published, path: str, told: str) -> None:
    assert told in refused(Site(small, AT), path, 422)[1]


BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.mark.parametrize(
    ("path", "up"), [("/nosuch", ""), ("/model/digits/", "../../"), ("/a%2Fb", ""), ("/model/", "../")]
)
def test_a_path_there_is_not_is_a_page_for_a_browser_that_leads_on(small: Published, path: str, up: str) -> None:
    answer = Site(small, AT).client.get(path, headers=BROWSER)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "There is no such page" in answer.text
    assert answer.headers["vary"] == "Accept"
    links = [link for link in outline(answer.text).links if not link.startswith(("#", "data:"))]
    assert {f"{up}./", f"{up}style.css", f"{up}jobs", f"{up}metrics"} <= set(links)
    assert all(link.startswith(up) for link in links), links


def test_a_path_there_is_not_is_a_page_before_the_first_cycle_too() -> None:
    assert Site(None, AT).client.get("/nosuch", headers=BROWSER).status_code == 404


@pytest.mark.parametrize("path", ["/nosuch", "/api/v1/nosuch", "/api/nosuch", "/api"])
def test_a_path_there_is_not_is_json_for_programs_and_in_the_api_for_everybody(small: Published, path: str) -> None:
    for headers in ({"Accept": "*/*"}, *([BROWSER] if path.startswith("/api") else [])):
        answer = Site(small, AT).client.get(path, headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")
        assert answer.json()["detail"].startswith("nothing is served under this path")


def test_a_picture_that_is_not_found_says_so_in_plain_text(small: Published) -> None:
    answer = Site(small, AT).client.get("/reliability.svg?model=digits&slice=all&window=9d")
    assert (answer.status_code, answer.text) == (404, "the slice has no reading over 9d\nknown: v1 over 24h\n")


@pytest.mark.parametrize("path", ["/jobs", "/job?id=x", "/rules?model=digits", "/intake"])
def test_pages_of_the_past_say_when_it_cannot_be_asked(small: Published, path: str) -> None:
    assert "There is no database to ask for the past." in refused(Site(small, AT), path, 503)[1]


def test_a_chart_of_a_past_that_cannot_be_asked_is_a_picture_that_says_so(small: Published) -> None:
    answer = Site(small, AT).client.get("/ece.svg?model=digits&slice=all&window=24h")
    assert (answer.status_code, answer.headers["content-type"]) == (503, "image/svg+xml")
    assert ">there is no database to ask for the past</text>" in answer.text


def test_a_slice_is_shown_without_its_past(small: Published) -> None:
    html = page(small, "/slice?model=digits&slice=camera%3Dc4")
    assert "Nothing can be said of its calibration over 24h" in html
    assert "Unknown: the past cannot be asked now." in html, "unknown is not none"
