"""E-mail against a real SMTP server: what it says, whom it reaches, encryption, login, refusals, secrets that never show."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from monitor.config.actions import Action
from monitor.jobs.actions.deliver import deliver_event
from monitor.jobs.actions.delivery import Delivery, DeliveryResult
from monitor.jobs.actions.email import mail_of
from monitor.jobs.actions.message import EventContext
from tests.jobs.actions.mailbox import LOGIN, Mailbox, certificate

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
ALERT: dict[str, Any] = {
    "rule": "calibration-drift", "severity": "page", "state": "firing", "version": "v7", "slice": "camera=c3,lighting=night",
    "labels": {"camera": "c3", "lighting": "night"}, "reason": "over-confident above 0.65 <b>(expected 0.86, came true 0.62)",
    "value": 3.2, "since": "2026-03-01T11:00:00Z", "fired_at": "2026-03-01T12:00:00Z", "resolved_at": None,
    "onset": "2026-02-27T03:00:00Z", "refit": "0123456789ab",
}  # fmt: skip
PAYLOAD: dict[str, Any] = {
    "schema_version": 1, "event": "alert.firing", "at": "2026-03-01T12:00:00Z", "action": "mail", "model": "digits",
    "alert": ALERT,
}  # fmt: skip
RESOLVED = {
    **PAYLOAD, "event": "alert.resolved",
    "alert": {**ALERT, "state": "resolved", "resolved_at": "2026-03-02T12:00:00Z", "refit": None},
}  # fmt: skip
PNG = b"\x89PNG not really"
SEEN = EventContext(
    PNG, "Reliability diagram: so and so", "ECE 0.083, interval 0.061 to 0.104", ("refit of all promoted",)
)

Open = Callable[..., Mailbox]


@pytest.fixture
def mailbox() -> Iterator[Open]:
    opened: list[Mailbox] = []

    def one(*arguments: Any, **settings: Any) -> Mailbox:
        opened.append(Mailbox(*arguments, **settings))
        return opened[-1]

    yield one
    for each in opened:
        each.close()


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certificate(tmp_path_factory.mktemp("tls"))


def _delivery(smtp: str, payload: dict[str, Any] = PAYLOAD, base: Path = Path(), **settings: Any) -> Delivery:
    settings = {
        "encryption": "none",
        "to": ("ann@example.org", "bob@example.org"),
        "timeout": timedelta(seconds=5),
        **settings,
    }
    action = Action(name="mail", kind="email", smtp=smtp, sender="calwatch@example.org", **settings)
    return Delivery(action, payload, "feedfacecafe", 1, AT, base, external_url="https://watch.example.org/")


def _sent(delivery: Delivery, known: EventContext = SEEN) -> DeliveryResult:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("monitor.jobs.actions.context.load_context", lambda delivery, *, draw: known)
        return deliver_event(delivery)


def test_it_says_what_where_since_when_how_sure_and_what_was_done(mailbox: Open) -> None:
    box = mailbox()
    found = _sent(_delivery(box.address))
    assert (found.done, found.message) == (True, f"{box.address} to ann@example.org, bob@example.org: sent")
    (mail,) = box.mails
    assert box.recipients == [["ann@example.org", "bob@example.org"]]
    assert mail["Subject"] == "[page] digits camera=c3,lighting=night: calibration-drift fires"
    assert mail["Message-ID"] == "<feedfacecafe@example.org>"
    assert mail["Auto-Submitted"] == "auto-generated"
    plain, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain is not None
    assert html is not None
    for text in (plain.get_content(), html.get_content()):
        for told in (
            "camera=c3,lighting=night, version v7", "began about 2026-02-27 03:00 UTC (estimate), fired 2026-03-01 12:00 UTC",
            "ECE 0.083, interval 0.061 to 0.104", "refit of all promoted", "job 0123456789ab", "Reliability diagram: so and so",
        ):  # fmt: skip
            assert told in text
    link = "https://watch.example.org/slice?model=digits&slice=camera%3Dc3%2Clighting%3Dnight&version=v7"
    assert link in plain.get_content()
    assert link.replace("&", "&amp;") in html.get_content()
    assert "0.65 <b>(expected" in plain.get_content()
    assert "0.65 &lt;b&gt;(expected" in html.get_content()


def test_the_picture_stands_inside_and_can_be_saved(mailbox: Open) -> None:
    box = mailbox()
    _sent(_delivery(box.address))
    (picture,) = [part for part in box.mails[0].walk() if part.get_content_type() == "image/png"]
    assert picture.get_payload(decode=True) == PNG
    assert (picture.get_filename(), picture.get_content_disposition()) == ("reliability.png", "inline")
    html = box.mails[0].get_body(("html",))
    assert html is not None
    assert f'src="cid:{picture["Content-ID"][1:-1]}"' in html.get_content()


def test_without_a_picture_it_goes_out_and_says_why(mailbox: Open) -> None:
    box = mailbox()
    note = "no picture: charts need two more packages"
    found = _sent(_delivery(box.address), EventContext(note=note))
    assert found.done
    assert found.message.endswith(f"sent, without the picture: {note}")
    (mail,) = box.mails
    assert not [part for part in mail.walk() if part.get_content_maintype() == "image"]
    body = mail.get_body(("plain",))
    assert body is not None
    assert note in body.get_content()


def test_the_end_of_an_alert_is_threaded_with_its_beginning_and_attempts_are_one_mail() -> None:
    def made(payload: dict[str, Any], key: str) -> EmailMessage:
        delivery = _delivery("127.0.0.1:25", payload)
        return mail_of(Delivery(delivery.action, payload, key, 1, AT, Path()), SEEN)

    firing, again, resolved = made(PAYLOAD, "aa"), made(PAYLOAD, "aa"), made(RESOLVED, "bb")
    assert firing["Message-ID"] == again["Message-ID"] != resolved["Message-ID"]
    assert firing["References"] == resolved["References"]
    assert resolved["Subject"] == "[resolved] digits camera=c3,lighting=night: calibration-drift is over"
    told_with_it = {**RESOLVED, "alert": {**RESOLVED["alert"], "slice": "camera=c3"}}  # by one message, as it fired
    assert made(told_with_it, "dd")["References"] == firing["References"]
    other = {**PAYLOAD, "alert": {**ALERT, "fired_at": "2026-02-28T00:00:00Z"}}
    assert made(other, "cc")["References"] != firing["References"]


def test_names_from_sources_cannot_write_headers(mailbox: Open) -> None:
    box = mailbox()
    evil = {**PAYLOAD, "model": "x\r\nBcc: eve@example.org"}
    assert _sent(_delivery(box.address, evil)).done
    assert box.mails[0]["Bcc"] is None
    assert box.mails[0]["Subject"].startswith("[page] x Bcc: eve@example.org")
    assert box.recipients == [["ann@example.org", "bob@example.org"]]


def test_starttls_with_login(
    mailbox: Open, tls: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tls[0]))
    (tmp_path / "password").write_text(LOGIN[1] + "\n", "utf-8")
    box = mailbox(tls, login=True)
    found = _sent(_delivery(box.address, base=tmp_path, encryption="starttls", user=LOGIN[0], password="file:password"))
    assert found.done, found
    assert box.heard.index("STARTTLS") < box.heard.index("AUTH") < box.heard.index("MAIL")
    assert len(box.mails) == 1


def test_tls_from_the_start(mailbox: Open, tls: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tls[0]))
    box = mailbox(tls, at_once=True)
    assert _sent(_delivery(box.address, encryption="tls")).done
    assert "STARTTLS" not in box.heard


def test_a_certificate_nobody_vouches_for_gets_no_mail(mailbox: Open, tls: tuple[Path, Path]) -> None:
    box = mailbox(tls)
    found = _sent(_delivery(box.address, encryption="starttls"))
    assert (found.done, found.may_pass) == (False, True)
    assert "certificate verify failed" in found.message
    assert box.mails == []


def test_a_server_without_starttls_gets_neither_password_nor_mail(
    mailbox: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PASSWORD", LOGIN[1])
    box = mailbox(login=True)
    found = _sent(_delivery(box.address, encryption="starttls", user=LOGIN[0], password="env:PASSWORD"))
    assert (found.done, found.may_pass) == (False, False)
    assert "STARTTLS extension not supported" in found.message
    assert not {"AUTH", "MAIL"} & set(box.heard)


def test_a_wrong_password_fails_for_good_and_is_not_shown(
    mailbox: Open, tls: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tls[0]))
    monkeypatch.setenv("PASSWORD", "hunter2 hunter2")
    box = mailbox(tls, login=True)
    found = _sent(_delivery(box.address, encryption="starttls", user=LOGIN[0], password="env:PASSWORD"))
    assert (found.done, found.may_pass) == (False, False)
    assert found.message.endswith(": 535 no *** here")


@pytest.mark.parametrize(
    ("command", "answer", "may_pass"),
    [
        ("MAIL", "451 later", True),
        ("MAIL", "550 never", False),
        ("DATA", "452 full", True),
        ("DATA", "554 spam", False),
    ],
)
def test_what_may_pass_is_to_be_tried_again_and_the_rest_is_not(
    mailbox: Open, command: str, answer: str, may_pass: bool
) -> None:
    box = mailbox()
    box.answers = {command: [answer]}
    found = _sent(_delivery(box.address))
    assert (found.done, found.may_pass) == (False, may_pass)
    assert found.message.endswith(f": {answer}")
    assert _sent(_delivery(box.address)).done


def test_one_refused_address_keeps_nobody_else_from_the_mail(mailbox: Open) -> None:
    box = mailbox()
    box.answers = {"RCPT": ["550 no such person"]}
    found = _sent(_delivery(box.address))
    assert found.done
    assert found.message.endswith("; refused for ann@example.org")
    assert box.recipients == [["bob@example.org"]]
    box.answers = {"RCPT": ["450 later", "450 later"]}
    found = _sent(_delivery(box.address))
    assert (found.done, found.may_pass) == (False, True)


def test_nobody_there_may_pass(mailbox: Open) -> None:
    box = mailbox()
    box.server.server_close()
    found = _sent(_delivery(box.address))
    assert (found.done, found.may_pass) == (False, True)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_the_certificate_of_these_tests_is_for_the_loopback_address(tls: tuple[Path, Path]) -> None:
    shown = subprocess.run(["openssl", "x509", "-in", str(tls[0]), "-text"], check=True, capture_output=True, text=True)
    assert "IP Address:127.0.0.1" in shown.stdout
