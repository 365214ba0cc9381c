"""What the tests of pages ask a site for, and read off its answers."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape

from monitor.model import (
    Published,
    Reading,
)
from tests.publish.outline import Outline, outline
from tests.worlds.page import Site

AT = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)


MODEL = "/model?model=digits"


def page(published: Published | None, path: str = "/", *, now: datetime = AT) -> str:
    answer = Site(published, now, stale_after=timedelta(minutes=5)).client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.text


def refused(site: Site, path: str, status: int) -> tuple[Outline, str]:
    """The page in place of one that cannot be shown, and what it says."""
    answer = site.client.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return outline(answer.text), " ".join(unescape(re.sub("<[^>]*>", " ", answer.text)).split())


def with_readings(small: Published, *readings: Reading) -> Published:
    return Published(AT, (replace(small.models[0], readings=readings),))


def cameras(html: str) -> list[str]:
    """Of the table of slices, which comes before that of calibrators."""
    before = html.partition("<h2>Calibrators in use")[0].partition("<tbody>")[2]
    return [row for row in Outline.of(before).rows if row.startswith("camera=c")]
