"""People told by the whole cycle: an alert fires, the mail goes out as a job, is tried again, carries the picture, and
the end is told too."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.jobs.actions.mailbox import Mailbox
from tests.worlds.line import BEGAN, DAY, HOUR, RULE, Line, line, model_section, write_config

MAIL = """
[[action]]
name = "mail"
kind = "email"
smtp = "{smtp}"
encryption = "none"
sender = "calwatch@example.org"
to = ["oncall@example.org"]
on = ["firing", "resolved"]
"""


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    box = Mailbox()
    yield box
    box.close()


def _world(base: Path, mailbox: Mailbox) -> None:
    write_config(
        base, model_section(), MAIL.format(smtp=mailbox.address), monitor='external_url = "https://watch.example.org"'
    )
    rule = RULE.replace('"recalibrate"]', '"recalibrate", "mail"]')
    (base / "own.toml").write_text(rule + 'slices = ["all"]\n', "utf-8")


def _texts(mailbox: Mailbox) -> list[tuple[str, str]]:
    found = []
    for mail in mailbox.mails:
        body = mail.get_body(("plain",))
        assert body is not None
        found.append((mail["Subject"], body.get_content()))
    return found


def _jobs(held: Line) -> list[tuple[str, int]]:
    rows = held.connection.execute(
        "SELECT state, attempts FROM jobs WHERE kind = 'action' ORDER BY requested_at"
    ).fetchall()
    return [(row[0], row[1]) for row in rows]


def test_a_firing_is_mailed_with_its_picture_after_a_refusal_and_its_end_is_mailed_too(
    tmp_path: Path, mailbox: Mailbox
) -> None:
    pytest.importorskip("vl_convert", reason="NOT TESTED: pictures need the extra charts")
    _world(tmp_path, mailbox)
    with line(tmp_path) as held:
        held.arrive(BEGAN, BEGAN + DAY, 3000)
        held.tick(BEGAN + DAY)
        assert _jobs(held) == []
        held.arrive(BEGAN + DAY, BEGAN + 2 * DAY, 3000, temperature=4.0)
        mailbox.answers = {"MAIL": ["451 later"]}
        held.tick(BEGAN + 2 * DAY)
        assert _jobs(held) == [("queued", 1)]
        assert mailbox.mails == []
        held.tick(BEGAN + 2 * DAY + timedelta(minutes=2))
        assert _jobs(held) == [("done", 2)]
        ((subject, text),) = _texts(mailbox)
        assert subject == "[ticket] m all: ece-high fires"
        assert "ece_lower" in text
        assert "https://watch.example.org/slice?model=m&slice=all" in text
        refit = held.one("SELECT id FROM jobs WHERE kind = 'recalibrate'")
        assert f"(job {refit})" in text
        assert [part.get_filename() for part in mailbox.mails[0].walk() if part.get_content_type() == "image/png"] == [
            "reliability.png"
        ]
        held.arrive(BEGAN + 2 * DAY, BEGAN + 4 * DAY, 6000)
        held.tick(BEGAN + 4 * DAY + HOUR)
        assert _jobs(held) == [("done", 2), ("done", 1)]
        subject, text = _texts(mailbox)[1]
        assert subject == "[resolved] m all: ece-high is over"
        assert f"refit of all promoted 2026-03-03 00:00 UTC (job {refit})" in text
        assert mailbox.mails[1]["References"] == mailbox.mails[0]["References"]


def test_the_first_cycle_has_no_snapshot_yet_and_the_mail_says_so(tmp_path: Path, mailbox: Mailbox) -> None:
    _world(tmp_path, mailbox)
    with line(tmp_path) as held:
        held.arrive(BEGAN, BEGAN + DAY, 3000, temperature=4.0)
        held.tick(BEGAN + DAY)
        ((_, text),) = _texts(mailbox)
        assert "no picture: no reading has been published yet" in text
        told = held.one("SELECT reasons FROM jobs WHERE kind = 'action'")
        assert "sent, without the picture" in told[0]


def test_a_drift_of_all_slices_is_one_mail(tmp_path: Path, mailbox: Mailbox) -> None:
    _world(tmp_path, mailbox)
    with line(tmp_path) as held:
        rules = tmp_path / "own.toml"
        rules.write_text(rules.read_text("utf-8").replace('["all"]', '["all", "marginals", "crosses"]'), "utf-8")
    with line(tmp_path) as held:
        held.arrive(BEGAN, BEGAN + DAY, 6000, temperature=4.0)
        held.tick(BEGAN + DAY)
        assert held.one("SELECT count(*) FROM alerts WHERE state = 'firing'") == 12
        assert held.one("SELECT count(*) FROM jobs WHERE kind = 'recalibrate'") == 12
        ((subject, text),) = _texts(mailbox)
        assert subject == "[ticket] m all and 11 more slices: ece-high fires"
        assert "camera=c3,lighting=night" in text
