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
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from starlette.datastructures import Headers
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
        found = None
        for kept, caller in self.tokens:
            if hmac.compare_digest(kept, presented):
                found = caller
        return found if is_token(token) else None


def _revealed(held: str, base: Path) -> str:
    if not is_reference(held):
        return held
    value = reveal_secret(held, base)
    if not is_hash(value):
        raise SecretError(f"{held}: is not a token's hash", "write there what calwatch token new prints: sha256:…")
    return value


class Refusal(Exception):  # noqa: N818  # it is an answer, not a mistake
    """An answer instead of the one asked for."""

    def __init__(self, status: int, reason: str, *, challenge: bool = False, retry_after: int | None = None) -> None:
        super().__init__(reason)
        self.status, self.reason, self.challenge, self.retry_after = status, reason, challenge, retry_after


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
        except Refusal as refusal:
            await answer_refusal(refusal, Headers(scope=scope))(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _let_in(self, scope: Scope) -> Caller | None:
        """Whom the request is let in as; None: as anybody. Raises Refusal."""
        access, headers = self._access(), Headers(scope=scope)
        host = _host(headers)
        if access.hosts is not None and host not in access.hosts:
            raise Refusal(421, "this name is not served here: add it to [server] allowed_hosts if it is yours")
        reads = scope["method"] in ("GET", "HEAD")
        if not reads:
            _demand_not_forged(headers)
        elif _SHOWN_WITHOUT.get(scope["path"], "reading") in access.without_token:
            return None
        caller = self._authenticated(access, headers, scope, reads=reads)
        if not reads and not caller.role.is_at_least(Role.WRITE):
            raise Refusal(403, f"the role {caller.role.value} only reads")
        return caller

    def _authenticated(self, access: Access, headers: Headers, scope: Scope, *, reads: bool) -> Caller:
        sent = headers.getlist("authorization")
        if len(sent) != 1:
            raise Refusal(401, "needs a token: Authorization: Bearer …", challenge=True)
        for token in _tokens(sent[0], reads=reads):
            caller = access.find_caller(token)
            if caller is not None:
                return caller
        raise self._refused(scope, "the token is unknown")

    def _refused(self, scope: Scope, reason: str) -> Refusal:
        """Count a wrong token of this address; ask it to slow down when there are many."""
        now = self._now()
        address = scope["client"][0] if scope.get("client") else "unknown"
        recent = [at for at in self._failures.pop(address, []) if now - at < MINUTE]
        if len(recent) >= MAX_FAILURES:
            self._failures[address] = recent
            wait = int(MINUTE.total_seconds())
            return Refusal(401, "too many wrong tokens: see Retry-After", challenge=True, retry_after=wait)
        while len(self._failures) >= MAX_ADDRESSES:
            del self._failures[next(iter(self._failures))]
        self._failures[address] = [*recent, now]
        log.warning("access refused", reason=reason, client=address, method=scope["method"], path=raw_path(scope))
        return Refusal(401, reason, challenge=True)


def _host(headers: Headers) -> str:
    """Return the name asked for, without port; "" when it is none. Raises Refusal when there is no header, or several."""
    sent = headers.getlist("host")
    if len(sent) != 1:
        raise Refusal(400, "needs one Host header")
    found = _HOST.fullmatch(sent[0])
    return found[1].strip("[]").lower().removesuffix(".") if found else ""


def _demand_not_forged(headers: Headers) -> None:
    """Raises Refusal for what a page of another site can make a browser send."""
    origin = headers.get("origin")
    if origin is not None and origin.partition("://")[2].lower() != headers["host"].lower():
        raise Refusal(403, "another site's page asks for this change")
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        raise Refusal(403, "another site's page asks for this change")
    if len(headers.getlist("content-type")) > 1:
        raise Refusal(415, "the body must have one Content-Type")
    content = headers.get("content-type", "").partition(";")[0].strip().lower()
    if content in FORMS or (content and not content.startswith("application/")):
        raise Refusal(415, "the body must be application/…, such as application/json")


def _tokens(authorization: str, *, reads: bool) -> Iterator[str]:
    """The token sent; none when it is sent in a way that does not count."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        yield value.strip()
    elif scheme.lower() == "basic" and reads:
        try:
            decoded = base64.b64decode(value.strip(), validate=True).decode("utf-8")
        except ValueError:
            return
        yield decoded.partition(":")[2]


def answer_refusal(refusal: Refusal, headers: Headers) -> JSONResponse:
    """The answer to a request with these headers."""
    sent: dict[str, str] = {}
    if refusal.challenge:  # only a browser that shows a page is to ask for a password
        page = "text/html" in headers.get("accept", "")
        sent["WWW-Authenticate"] = 'Basic realm="calwatch", charset="UTF-8"' if page else 'Bearer realm="calwatch"'
    if refusal.retry_after is not None:
        sent["Retry-After"] = str(refusal.retry_after)
    return refusal_response(refusal.status, refusal.reason, sent)


def demand_role(needed: Role) -> Callable[[Request], Caller]:
    """A dependency for routes that change something: the caller, whose role covers ``needed``. Closed without a gate."""

    def caller(request: Request) -> Caller:
        found = request.scope.get(CALLER)
        if not isinstance(found, Caller):
            raise Refusal(401, "needs a token: Authorization: Bearer …", challenge=True)
        if not found.role.is_at_least(needed):
            raise Refusal(403, f"needs the role {needed.value} (the token has {found.role.value})")
        return found

    return caller
