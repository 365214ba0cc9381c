"""Webhooks: one signed POST, the answer's status and beginning kept. Redirects are not followed, TLS is verified."""

import hashlib
import hmac
import ssl
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
            said = mask_secrets(_beginning(answer, seconds), held)
            if 200 <= answer.status < 300:
                return DeliveryResult(True, f"{action.where}: {answer.status}", output=said)
            return _refused(action.where, answer, said)
    except (OSError, HTTPException, ValueError) as error:  # unreachable, too slow, TLS, an answer that is not HTTP
        cause = getattr(error, "reason", None) or error
        what = f"no answer within {seconds:g} s" if isinstance(cause, TimeoutError) else f"{cause}"
        return DeliveryResult(False, mask_secrets(f"{action.where}: {what}", held), may_pass=True)


def _refused(where: str, answer: HTTPResponse, said: str) -> DeliveryResult:
    code = answer.status
    if 300 <= code < 400:
        return DeliveryResult(
            False, f"{where}: {code}, a redirect, which is not followed: name the final URL", output=said
        )
    text = (answer.headers.get("Retry-After") or "").strip()
    wait = timedelta(seconds=min(int(text), 86_400)) if text.isdecimal() and len(text) < 8 else None
    may_pass = code >= 500 or code in _TRY_AGAIN
    return DeliveryResult(False, f"{where}: {code} {answer.reason}", may_pass=may_pass, wait=wait, output=said)


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
    # no handler that follows redirects, reads files, or raises what is refused
    opener = urllib.request.OpenerDirector()
    opener.add_handler(urllib.request.ProxyHandler())
    opener.add_handler(urllib.request.UnknownHandler())  # raises where the proxy is of another kind
    opener.add_handler(urllib.request.HTTPHandler())
    # reading the certificates of a system takes longer than a call
    context = ssl.create_default_context() if request.type == "https" else None
    opener.add_handler(urllib.request.HTTPSHandler(context=context))
    answer: HTTPResponse = opener.open(request, timeout=seconds)
    return answer
