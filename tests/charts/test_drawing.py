"""The process that draws: started when asked, replaced when it dies, and nothing when its packages are missing."""

from collections.abc import Callable, Iterator

import pytest

from monitor.charts import client as drawing
from monitor.charts.client import ChartError, Drawer
from monitor.model import ReliabilityBin
from monitor.model.own_python import own_python

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


@pytest.fixture
def answer_by(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Have the next process be a program that does this with ``line``, its end of the socket."""

    def answer(program: str) -> None:
        own = own_python
        head = (
            "import os, signal, struct, sys, time\nfrom multiprocessing.connection import Connection\n"
            "line = Connection(int(sys.argv[-1]))\n"
        )

        def once(*arguments: str) -> list[str]:
            monkeypatch.setattr(drawing, "own_python", own)
            return own("-c", head + program, arguments[-1])

        monkeypatch.setattr(drawing, "own_python", once)

    return answer


PART = 'line.recv(); os.write(line.fileno(), struct.pack("!i", 1000) + b"abcde")\n'


@pytest.mark.parametrize(
    "program",
    [
        "line.recv(); time.sleep(600)",
        PART + "time.sleep(600)",
        PART + "os.kill(os.getpid(), signal.SIGSTOP)",
        "os.kill(os.getpid(), signal.SIGSTOP)",
        'line.recv(); os.write(line.fileno(), struct.pack("!i", 60_000_000)); time.sleep(600)',
    ],
    ids=[
        "nothing",
        "part of an answer",
        "stopped while it sends",
        "stopped before it reads",
        "a length that never comes",
    ],
)
def test_a_process_that_stops_anywhere_is_given_up_and_replaced(
    program: str, answer_by: Callable[[str], None], drawer: Drawer
) -> None:
    answer_by(program)
    drawer._timeout = 1.0
    with pytest.raises(ChartError, match="could not be drawn within 1 s"):
        drawer.draw_svg("reliability", BINS, name="x" * 1_000_000)  # more than a socket takes unread
    drawer._timeout = 60.0
    assert drawer.draw_svg("reliability", BINS).startswith(b"<svg")


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ('os.write(line.fileno(), struct.pack("!i", 5) + b"abcde")', "an answer that cannot be read: "),
        ('os.write(line.fileno(), struct.pack("!i", -5))', "an answer that cannot be read: "),
        ('line.send("svg")', "an answer of another form: 'svg'"),
        ("line.send((1, 2, 3))", "an answer of another form: "),
        ('line.send(("svg", b""))', "an answer of another form: "),
        ("line.send(None)", "an answer of another form: None"),
    ],
)
def test_an_answer_of_another_form_is_told_and_the_process_replaced(
    program: str, told: str, answer_by: Callable[[str], None], drawer: Drawer
) -> None:
    answer_by(f"line.recv(); {program}; time.sleep(600)")
    with pytest.raises(ChartError, match=told):
        drawer.draw_svg("reliability", BINS)
    assert drawer.draw_svg("reliability", BINS).startswith(b"<svg")


def test_bytes_that_are_no_length_are_not_waited_for(answer_by: Callable[[str], None], drawer: Drawer) -> None:
    answer_by('line.recv(); os.write(line.fileno(), b"garbage garbage"); time.sleep(600)')
    assert drawer.draw_svg("reliability", BINS).startswith(b"<svg")
