"""The outer edge of the application: HEAD is answered wherever GET is, small bodies are small and come in time, and what
fails by a mistake of ours is told and logged as everything else is."""

import asyncio
from collections.abc import Callable, Sequence

import structlog
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger("calwatch")
SMALL = 65_536  # bytes of any body that is not a push
PATIENCE = 10.0  # seconds in which such a body must have come


class _Around:
    """ASGI middleware around ``app``."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app


class HeadAsGet(_Around):
    """ASGI middleware: a HEAD is a GET without its body."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        await self.app({**scope, "method": "GET"}, receive, send_head)


class SmallBodies(_Around):
    """ASGI middleware, inside the gate: whoever changes something sends a small body, all of it read before the route
    runs; pushes have limits of their own."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] == "GET" or scope["path"].endswith("/samples"):
            await self.app(scope, receive, send)
            return
        try:
            body = await read_body(
                Request(scope, receive), SMALL, f"the body is larger than {SMALL} bytes: only pushes may be", PATIENCE
            )
        except ClientDisconnect:
            return
        except HTTPException as error:
            await refusal_response(error.status_code, error.detail)(scope, receive, send)
            return
        sent = False

        async def replay() -> Message:
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self.app(scope, replay, send)


class Failures(_Around):
    """ASGI middleware: a mistake of ours is logged with its traceback and answered without it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def send_on(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, send_on)
        except ClientDisconnect:  # whoever asked is gone: nobody to answer
            return
        except Exception:  # the one boundary of a request; the server's own log line would tell no path
            log.exception("request failed by a mistake in calwatch, please report it", path=raw_path(scope))
            if started:
                raise  # cut off, so that nobody takes half an answer for a whole one
            await refusal_response(500, "this failed by a mistake in calwatch: its log says more")(scope, receive, send)


def raw_path(scope: Scope) -> str:
    """The path for the log: as it was sent, so that nothing of it begins a line."""
    sent: bytes = scope.get("raw_path") or b""
    return sent.decode("ascii", "replace")[:200]


async def read_body(
    request: Request, most: int, too_large: str, patience: float, take: Callable[[int], None] = lambda size: None
) -> bytes:
    """The whole body; ``take`` is told the size of each part before it is kept. Raises HTTPException 413 when it is larger
    than ``most`` bytes, saying ``too_large``, 408 when it does not come in so many seconds, and ClientDisconnect."""
    announced = request.headers.get("content-length", "0")
    if not announced.isdecimal() or int(announced) > most:
        raise HTTPException(413, too_large)
    body = bytearray()
    try:
        async with asyncio.timeout(patience):
            async for part in request.stream():
                if len(body) + len(part) > most:
                    raise HTTPException(413, too_large)
                take(len(part))
                body += part
    except TimeoutError:
        raise HTTPException(408, f"the body did not come within {patience:.0f} s: send it again") from None
    return bytes(body)


def refusal_response(status: int, sentence: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """The one form of every refusal: ``{"detail": "a sentence"}``."""
    return JSONResponse({"detail": sentence}, status, headers)


# No script, no frame, nothing from elsewhere; data: is the empty icon that keeps browsers from asking for one. Forms
# only ask this server for a page (GET).
SECURITY = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


_POLICY = "Content-Security-Policy"


class SecurityHeaders(_Around):
    """ASGI middleware: adds the headers above to every response that does not set them itself. Pages may show pictures from
    the ``origins`` that the configuration in force names too, and from nowhere else."""

    def __init__(self, app: ASGIApp, origins: Callable[[], Sequence[str]] = tuple) -> None:
        super().__init__(app)
        self.origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY.items():
                    headers.setdefault(name, value)
                shown = self.origins() if headers.get("Content-Type", "").startswith("text/html") else ()
                if shown and headers[_POLICY] == SECURITY[_POLICY]:
                    headers[_POLICY] = SECURITY[_POLICY].replace("data:;", f"data: {' '.join(shown)};")
            await send(message)

        await self.app(scope, receive, send_with_headers)
