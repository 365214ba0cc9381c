"""Who may ask what: a gate in front of the whole application. It lets requests through or refuses them; routes say which
role a change needs.

    which name was asked for    a browser led here under a foreign name (DNS rebinding) is sent away: 421
    who made the browser ask    a change that another site's page asks for, or in a form's content type: 403, 415
    who asks                    `Authorization: Bearer TOKEN`; for reading also Basic, with the token as password: 401, 403

There are no cookies, so no page elsewhere can borrow a session. Basic is what browsers can do by themselves; since they
also repeat it by themselves, it serves reading only. A right token is always let in. Wrong ones are answered 401 however
many they are, as the description says; after many, with Retry-After and without a line in the log.
"""

import base64
import hmac
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from monitor.config.secrets import SecretError, is_reference, reveal_secret
from monitor.config.server import Server, host_of
from monitor.config.tokens import Role, hash_of, is_hash, is_token
from monitor.publish.web.middleware import raw_path, refusal_response

log = structlog.get_logger("calwatch")
CALLER = "calwatch.caller"  # where the gate leaves whom it let in, for the routes
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain")  # what a page can send unasked
MAX_FAILURES = 10  # wrong tokens of one address a minute that are logged; further ones are answered with Retry-After
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{0,5})?")
MINUTE = timedelta(minutes=1)
MAX_ADDRESSES = 1000
_SHOWN_WITHOUT = {"/healthz": "health", "/readyz": "health", "/metrics": "metrics"}  # other paths: reading


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a token names."""

    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class Access:
    """What the configuration says about access; the gate reads it anew with each request."""

    tokens: tuple[tuple[str, Caller], ...]  # (hash, whose)
    without_token: frozenset[str]  # of "health", "metrics", "reading"
    hosts: (
        frozenset[str] | None
    )  # names that may be asked for; None: any, since nothing of worth is shown without token

    @classmethod
    def from_server(cls, server: Server, listen: str, base: Path) -> "Access":
        """``base``: where relative paths start. Raises SecretError when a hash is not where the configuration says."""
        host = host_of(listen)
        open_ = frozenset(server.open_on(listen))
        names = {"localhost", "127.0.0.1", "::1", host.lower(), *(name.lower() for name in server.allowed_hosts)}
        checked = "reading" in open_ or bool(server.allowed_hosts)
        tokens = tuple((_revealed(token.hash, base), Caller(token.name, token.role)) for token in server.token)
        return cls(tokens, open_, frozenset(names) if checked else None)

    def find_caller(self, token: str) -> Caller | None:
        """Whose token this is. All hashes are compared, each in constant time."""
        presented = hash_of(token)
        found = [caller for kept, caller in self.tokens if hmac.compare_digest(kept, presented)]
        return found[-1] if found and is_token(token) else None


def _revealed(held: str, base: Path) -> str:
    if not is_reference(held):
        return held
    value = reveal_secret(held, base)
    if not is_hash(value):
        raise SecretError(f"{held}: is not a token's hash", "write there what calwatch token new prints: sha256:…")
    return value


class AccessGuard:
    """ASGI application in front of ``app``."""

    def __init__(self, app: ASGIApp, access: Callable[[], Access], now: Callable[[], datetime]) -> None:
        self._app = app
        self._access = access
        self._now = now
        self._failures: dict[str, list[datetime]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        try:
            scope[CALLER] = self._let_in(scope)
        except HTTPException as refusal:
            await answer_refusal(refusal, Headers(scope=scope))(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _let_in(self, scope: Scope) -> Caller | None:
        """Whom the request is let in as; None: as anybody. Raises HTTPException."""
        access, headers = self._access(), Headers(scope=scope)
        host = _host(headers)
        if access.hosts is not None and host not in access.hosts:
            raise HTTPException(421, "this name is not served here: add it to [server] allowed_hosts if it is yours")
        reads = scope["method"] in ("GET", "HEAD")
        if not reads:
            _demand_not_forged(headers)
        elif _SHOWN_WITHOUT.get(scope["path"], "reading") in access.without_token:
            return None
        caller = self._authenticated(access, headers, scope, reads=reads)
        if not reads and not caller.role.is_at_least(Role.WRITE):
            raise HTTPException(403, f"the role {caller.role.value} only reads")
        return caller

    def _authenticated(self, access: Access, headers: Headers, scope: Scope, *, reads: bool) -> Caller:
        sent = headers.getlist("authorization")
        if len(sent) != 1:
            raise HTTPException(401, "needs a token: Authorization: Bearer …")
        caller = access.find_caller(_token(sent[0], reads=reads))
        if caller is None:
            raise self._refused(scope)
        return caller

    def _refused(self, scope: Scope) -> HTTPException:
        """Count a wrong token of this address; ask it to slow down when there are many."""
        now = self._now()
        address = scope["client"][0] if scope.get("client") else "unknown"
        recent = [at for at in self._failures.pop(address, []) if now - at < MINUTE]
        if len(recent) >= MAX_FAILURES:
            self._failures[address] = recent
            wait = {"Retry-After": f"{MINUTE.total_seconds():.0f}"}
            return HTTPException(401, "too many wrong tokens: see Retry-After", wait)
        while len(self._failures) >= MAX_ADDRESSES:
            del self._failures[next(iter(self._failures))]
        self._failures[address] = [*recent, now]
        reason = "the token is unknown"
        log.warning("access refused", reason=reason, client=address, method=scope["method"], path=raw_path(scope))
        return HTTPException(401, reason)


def _host(headers: Headers) -> str:
    """Return the name asked for, without port; "" when it is none. Raises HTTPException when there is no header, or several."""
    sent = headers.getlist("host")
    if len(sent) != 1:
        raise HTTPException(400, "needs one Host header")
    found = _HOST.fullmatch(sent[0])
    return found[1].strip("[]").lower().removesuffix(".") if found else ""


def _demand_not_forged(headers: Headers) -> None:
    """Raises HTTPException for what a page of another site can make a browser send."""
    origin = headers.get("origin")
    elsewhere = origin is not None and origin.partition("://")[2].lower() != headers["host"].lower()
    if elsewhere or headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        raise HTTPException(403, "another site's page asks for this change")
    if len(headers.getlist("content-type")) > 1:
        raise HTTPException(415, "the body must have one Content-Type")
    content = headers.get("content-type", "").partition(";")[0].strip().lower()
    if content in FORMS or (content and not content.startswith("application/")):
        raise HTTPException(415, "the body must be application/…, such as application/json")


def _token(authorization: str, *, reads: bool) -> str:
    """The token sent; "", which is none, when it is sent in a way that does not count."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic" and reads:
        with suppress(ValueError):
            return base64.b64decode(value.strip(), validate=True).decode("utf-8").partition(":")[2]
    return ""


def answer_refusal(refusal: HTTPException, headers: Headers) -> JSONResponse:
    """The answer to a request with these headers, the same for all that is refused anywhere."""
    sent = dict(refusal.headers or {})
    if refusal.status_code == 401:  # only a browser that shows a page is to ask for a password
        page = "text/html" in headers.get("accept", "")
        sent["WWW-Authenticate"] = 'Basic realm="calwatch", charset="UTF-8"' if page else 'Bearer realm="calwatch"'
    return refusal_response(refusal.status_code, refusal.detail, sent)


def demand_role(needed: Role) -> Callable[[Request], Caller]:
    """A dependency for routes that change something: the caller, whose role covers ``needed``. Closed without a gate."""

    def caller(request: Request) -> Caller:
        found = request.scope.get(CALLER)
        if not isinstance(found, Caller):
            raise HTTPException(401, "needs a token: Authorization: Bearer …")
        if not found.role.is_at_least(needed):
            raise HTTPException(403, f"needs the role {needed.value} (the token has {found.role.value})")
        return found

    return caller
