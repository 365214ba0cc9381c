"""Webhooks: one signed POST, the answer's status and beginning kept. Redirects are not followed, TLS is verified."""

import hashlib
import hmac
import ssl
import urllib.error
import urllib.request
from datetime import timedelta
from http.client import HTTPException, HTTPResponse
from time import perf_counter

from monitor import __version__
from monitor.config.actions import check_url
from monitor.config.secrets import mask_secrets
from monitor.jobs.actions.delivery import Delivery, DeliveryResult

ANSWER_KEPT = 2048  # bytes, the first ones
_TRY_AGAIN = (408, 425, 429)  # beside every 5xx


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """The header Calwatch-Signature: ``t=<Unix time>,v1=<hex HMAC-SHA256 over "<Unix time>." and the body>``."""
    digest = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


def call_webhook(delivery: Delivery, secrets: dict[str, str], body: bytes | None = None) -> DeliveryResult:
    """POST ``body``, by default the payload. Errors are returned in words that hold no secret, not raised."""
    action = delivery.action
    url = secrets.get(action.url or "", action.url or "")
    try:
        check_url(url)
    except ValueError as error:
        return DeliveryResult(False, f"{action.url}: {error}")
    held = list(secrets.values())
    body = delivery.body if body is None else body
    headers = {
        "Content-Type": "application/json", "User-Agent": f"calwatch/{__version__}", "Idempotency-Key": delivery.key,
        **{name: secrets.get(text, text) for name, text in action.headers.items()},
    }  # fmt: skip
    if action.secret is not None:
        headers["Calwatch-Signature"] = signature(secrets[action.secret], int(delivery.at.timestamp()), body)
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")
    seconds = action.timeout.total_seconds()
    try:
        with _open(request, seconds) as answer:
            return DeliveryResult(
                True, f"{action.where}: {answer.status}", output=mask_secrets(_beginning(answer, seconds), held)
            )
    except urllib.error.HTTPError as error:
        with error:
            return _refused(action.where, error, mask_secrets(_beginning(error.fp, seconds), held))
    except (OSError, HTTPException, ValueError) as error:  # unreachable, too slow, TLS, an answer that is not HTTP
        cause = getattr(error, "reason", None) or error
        what = f"no answer within {seconds:g} s" if isinstance(cause, TimeoutError) else f"{cause}"
        return DeliveryResult(False, mask_secrets(f"{action.where}: {what}", held), may_pass=True)


def _refused(where: str, error: urllib.error.HTTPError, answer: str) -> DeliveryResult:
    if 300 <= error.code < 400:
        return DeliveryResult(
            False, f"{where}: {error.code}, a redirect, which is not followed: name the final URL", output=answer
        )
    may_pass = error.code >= 500 or error.code in _TRY_AGAIN
    text = (error.headers.get("Retry-After") or "").strip() if error.headers else ""
    wait = timedelta(seconds=min(int(text), 86_400)) if text.isdecimal() and len(text) < 8 else None
    return DeliveryResult(False, f"{where}: {error.code} {error.reason}", may_pass=may_pass, wait=wait, output=answer)


def _beginning(answer: HTTPResponse, seconds: float) -> str:
    """At most ANSWER_KEPT bytes of what came, for at most so long; a body that breaks off keeps what came."""
    held = b""
    began = perf_counter()
    try:
        while len(held) < ANSWER_KEPT and perf_counter() - began < seconds:
            part = answer.read1(ANSWER_KEPT - len(held))
            if not part:
                break
            held += part
    except (OSError, HTTPException):
        pass  # the status is what counts
    return held[:ANSWER_KEPT].decode("utf-8", "replace")


def _open(request: urllib.request.Request, seconds: float) -> HTTPResponse:
    opener = urllib.request.OpenerDirector()  # without what follows redirects, and what reads files
    for handler in (
        urllib.request.ProxyHandler, urllib.request.HTTPHandler, urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPErrorProcessor,
    ):  # fmt: skip
        opener.add_handler(handler())
    # reading the certificates of a system takes longer than a call
    context = ssl.create_default_context() if request.type == "https" else None
    opener.add_handler(urllib.request.HTTPSHandler(context=context))
    answer: HTTPResponse = opener.open(request, timeout=seconds)
    return answer
