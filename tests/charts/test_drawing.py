"""The process that draws: started when asked, replaced when it dies, and nothing when its packages are missing."""

from collections.abc import Iterator

import pytest

from monitor.charts import client as drawing
from monitor.charts.client import ChartError, Drawer
from monitor.model import ReliabilityBin

pytestmark = pytest.mark.process
BINS = (ReliabilityBin(0.0, 1 / 15, 300.0, 0.03, 0.04, 0.02, 0.07),)


@pytest.fixture
def drawer() -> Iterator[Drawer]:
    made = Drawer(timeout=60)
    yield made
    made.close()


def test_a_chart_is_drawn_by_a_process_that_stays_and_is_replaced_when_it_dies(drawer: Drawer) -> None:
    first = drawer.draw_svg("reliability", BINS, width=300)
    assert first.startswith(b"<svg")
    process = drawer._process
    assert process is not None
    assert drawer.draw_svg("reliability", BINS, width=300) == first
    assert drawer._process is process
    process.kill()
    assert drawer.draw_svg("reliability", BINS, width=300) == first
    assert drawer._process is not process


def test_a_chart_that_cannot_be_drawn_says_why_and_the_process_goes_on(drawer: Drawer) -> None:
    with pytest.raises(ChartError, match="reliability: could not be drawn: TypeError"):
        drawer.draw_svg("reliability", 5)
    assert drawer.draw_svg("reliability", BINS).startswith(b"<svg")


def test_without_the_packages_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "find_spec", lambda name: None)
    with pytest.raises(ChartError, match=r"pip install 'calwatch\[charts\]'"):
        Drawer().draw_svg("reliability", BINS)


def test_a_process_that_does_not_answer_is_given_up() -> None:
    hasty = Drawer(timeout=0.0)
    with pytest.raises(ChartError, match="could not be drawn within 0 s"):
        hasty.draw_svg("reliability", BINS)
    hasty.close()
