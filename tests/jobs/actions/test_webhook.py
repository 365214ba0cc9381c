"""Webhooks against a real HTTP server: signature, retries, redirects, secrets that never show."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor.config.actions import Action
from monitor.jobs.actions.deliver import deliver_event
from monitor.jobs.actions.delivery import Delivery
from tests.jobs.actions.receiver import Receiver

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRET = "a key nobody may see"
PAYLOAD = {"event": "alert.firing", "model": "m", "reason": "ECE ≥ 0.05"}


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    found = Receiver()
    yield found
    found.close()


def _delivery(url: str, base: Path = Path(), **settings: Any) -> Delivery:
    action = Action(name="oncall", kind="webhook", url=url, **settings)
    return Delivery(action, PAYLOAD, "0123456789ab", 1, AT, base)


def test_the_payload_arrives_signed_over_time_and_body_with_the_idempotency_key(
    receiver: Receiver, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text(SECRET + "\n", "utf-8")
    found = deliver_event(_delivery(receiver.url, tmp_path, secret="file:key", headers={"X-Team": "vision"}))
    assert (found.done, found.output) == (True, "thanks")
    ((headers, body),) = receiver.got
    assert json.loads(body) == PAYLOAD
    assert headers["idempotency-key"] == "0123456789ab"
    assert headers["x-team"] == "vision"
    assert headers["content-type"] == "application/json"
    fields = dict(part.split("=", 1) for part in headers["calwatch-signature"].split(","))
    assert int(fields["t"]) == AT.timestamp()
    expected = hmac.new(SECRET.encode(), f"{fields['t']}.".encode() + body, hashlib.sha256).hexdigest()
    assert hmac.compare_digest(fields["v1"], expected)


@pytest.mark.parametrize(
    ("status", "may_pass"),
    [(500, True), (503, True), (408, True), (425, True), (429, True), (400, False), (404, False)],
)
def test_what_may_pass_is_to_be_tried_again_and_the_rest_is_not(
    receiver: Receiver, status: int, may_pass: bool
) -> None:
    receiver.answers = [(status, {"Retry-After": "7"}, b"why")]
    found = deliver_event(_delivery(receiver.url))
    assert (found.done, found.may_pass, found.output, found.wait) == (False, may_pass, "why", timedelta(seconds=7))
    assert f": {status} " in found.message


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    receiver.answers = [(307, {"Location": receiver.url}, b"")]
    found = deliver_event(_delivery(receiver.url))
    assert (found.done, found.may_pass, len(receiver.got)) == (False, False, 1)
    assert "a redirect, which is not followed" in found.message


def test_nobody_listening_and_no_answer_in_time_may_pass(receiver: Receiver) -> None:
    receiver.answers = [(0, {}, b"")]
    slow = deliver_event(_delivery(receiver.url, timeout=timedelta(seconds=1)))
    assert (slow.done, slow.may_pass) == (False, True)
    assert "no answer within 1 s" in slow.message
    gone = deliver_event(_delivery("http://127.0.0.1:9/hook"))
    assert (gone.done, gone.may_pass) == (False, True)


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:9", "socks5h://me:pw@127.0.0.1:9", "unheard-of://127.0.0.1:9"])
def test_a_proxy_of_a_kind_that_is_not_known_is_told_and_may_pass(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", proxy)
    found = deliver_event(_delivery("http://127.0.0.1:9/hook"))
    kind = proxy.partition(":")[0]
    assert (found.done, found.may_pass) == (False, True)
    assert found.message == f"http://127.0.0.1:9/hook: unknown url type: {kind}"


def test_a_long_answer_is_cut(receiver: Receiver) -> None:
    receiver.answers = [(200, {}, b"x" * 100_000)]
    assert len(deliver_event(_delivery(receiver.url)).output) == 2048


def test_a_certificate_that_nobody_vouches_for_is_refused(receiver: Receiver) -> None:
    found = deliver_event(_delivery(receiver.url.replace("http:", "https:")))  # not even TLS
    assert not found.done
    assert receiver.got == []


def test_secrets_show_neither_in_messages_nor_in_what_is_kept_of_the_answer(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK", receiver.url + "&token=" + SECRET.replace(" ", "-"))
    monkeypatch.setenv("KEY", SECRET)
    receiver.answers = [(500, {}, f"you sent {SECRET}".encode())]
    delivery = _delivery("env:HOOK", secret="env:KEY", headers={"Authorization": "env:KEY"})
    found = deliver_event(delivery)
    assert found.message == "env:HOOK: 500 Internal Server Error"
    assert found.output == "you sent ***"
    assert receiver.got[0][0]["authorization"] == SECRET
    for text in (repr(delivery), str(delivery.action.model_dump()), found.message):
        assert SECRET not in text
        assert "token" not in text


def test_a_secret_that_is_not_there_fails_for_good_and_says_where_it_should_be(tmp_path: Path) -> None:
    found = deliver_event(_delivery("http://127.0.0.1:9/", tmp_path, secret="env:CALWATCH_TEST_NO_SUCH"))
    assert (found.done, found.may_pass) == (False, False)
    assert found.message.startswith("env:CALWATCH_TEST_NO_SUCH: the environment variable is not set")
    for content, problem in ((None, "cannot be read"), (b"\n", "is empty"), (b"\xff\xfe", "is not UTF-8")):
        if content is not None:
            (tmp_path / "key").write_bytes(content)
        found = deliver_event(_delivery("http://127.0.0.1:9/", tmp_path, secret="file:key"))
        assert problem in found.message
