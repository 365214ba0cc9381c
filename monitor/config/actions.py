"""The ``[[action]]`` section: a webhook to call, a command to run, people to tell by chat or e-mail."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from monitor.config.fields import Duration, Listen, Name, Whole
from monitor.config.secrets import NAMED, SecretName, is_reference
from monitor.config.section import At, Section, judge_each
from monitor.config.toml import suggest_nearest
from monitor.model.durations import format_duration

TELLING = ("slack", "email")  # kinds that speak to people
Event = Literal["firing", "resolved", "promoted", "rejected", "failed", "rolled_back"]
_SECRET_HEADERS = ("authorization", "cookie", "token", "secret", "password", "api-key", "apikey")
_OWN_HEADERS = ("content-type", "content-length", "host", "idempotency-key", "calwatch-signature", "user-agent")


def _url(value: Any) -> Any:
    """The text is not repeated in the message: addresses of webhooks often hold a token."""
    if not isinstance(value, str):
        raise ValueError('must be a URL such as "https://…", or where to find it: "env:NAME" or "file:PATH"')
    if not is_reference(value):
        check_url(value)
    return value


def check_url(value: str) -> None:
    """Raises ValueError, without repeating the URL, unless it is http(s)://host… without a password in it."""
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        raise ValueError("must be a URL (what is there cannot be read as one)") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError('must be a URL such as "https://host/path", or "env:NAME" or "file:PATH"')
    if parts.username or parts.password:
        raise ValueError("must not hold a user or password; name the whole URL as env:NAME or file:PATH")
    if any(ord(character) <= 32 or ord(character) == 127 for character in value):
        raise ValueError("must not hold spaces or control characters")


def _headers(value: Any) -> Any:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise ValueError('must be a table of texts such as { X-Team = "vision" }')
    for name, text in value.items():
        if not name.replace("-", "").replace("_", "").isalnum() or not name.isascii() or not text.isprintable():
            raise ValueError(f'holds "{name}", which is no HTTP header')
        if name.lower() in _OWN_HEADERS:
            raise ValueError(f'holds "{name}", which calwatch sets itself')
        if any(word in name.lower() for word in _SECRET_HEADERS) and not is_reference(text):
            raise ValueError(f'must name the secret in "{name}" as "env:NAME" or "file:PATH"')
    return value


def _arguments(value: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if value is not None and (not value or not value[0] or any("\0" in part for part in value)):
        raise ValueError('must be a list that begins with a program, such as ["/usr/local/bin/retrain", "--fast"]')
    return value


def _environment(value: Any) -> Any:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise ValueError('must be a table of texts such as { REGION = "eu", TOKEN = "env:TOKEN" }')
    for name in value:
        if not name.replace("_", "a").isalnum() or not name.isascii() or name[0].isdigit():
            raise ValueError(f'holds "{name}", which is no name of a variable')
        if name.startswith("CALWATCH_"):
            raise ValueError(f'holds "{name}"; names that begin with CALWATCH_ are set by calwatch')
    return value


def _address(value: str) -> str:
    local, _, host = value.rpartition("@")
    if not local or not host or not value.isprintable() or any(mark in value for mark in ' ,;<>"'):
        raise ValueError(f'must be a plain address such as "oncall@example.org" (got {value!r})')
    return value


Url = Annotated[
    str, BeforeValidator(_url), Field(json_schema_extra={"pattern": rf"^([hH][tT][tT][pP][sS]?://[^\s]+|{NAMED})$"})
]
Address = Annotated[str, AfterValidator(_address)]
KEYS_OF_KIND = {  # keys that not every kind takes, those it cannot do without first
    "webhook": ("url", "secret", "headers"),
    "command": ("command", "env"),
    "slack": ("url",),
    "email": ("smtp", "sender", "to", "encryption", "user", "password"),
}
NEEDED_KEYS = {
    "webhook": {"url": 'a webhook needs "url"'},
    "command": {"command": 'a command needs "command", a list such as ["/usr/local/bin/retrain"]'},
    "slack": {"url": 'slack needs "url", the incoming webhook as env:NAME or file:PATH'},
    "email": {
        "smtp": 'email needs "smtp", such as "smtp.example.org:587"',
        "sender": 'email needs "sender", the address it comes from',
        "to": 'email needs "to", a list of addresses',
    },
}


class Action(Section):
    """What rules name in ``actions``, or what finished jobs call: a webhook, a command, a chat room, people by e-mail."""

    name: Name = Field(description="rules name it in `actions`")
    kind: Literal["webhook", "command", "slack", "email"] = Field(
        description="webhook: an HTTP POST; command: a program on this machine; slack: a message to a Slack, Mattermost "
        "or Rocket.Chat room; email: a message with the reliability diagram"
    )
    on: Annotated[tuple[Event, ...], Field(min_length=1)] = Field(
        ("firing",),
        description="firing, resolved: of rules that name it; promoted, rejected, failed, rolled_back: of jobs",
    )
    models: tuple[str, ...] = Field((), description="whose jobs call it; empty: those of every model")
    url: Url | None = Field(
        None,
        description="webhook, slack: where to; a URL that holds a token, as slack's does, as env:NAME or file:PATH",
    )
    secret: SecretName | None = Field(None, description="webhook: env:NAME or file:PATH of the key that signs the body")
    headers: Annotated[dict[str, str], BeforeValidator(_headers)] = Field(
        default_factory=dict, description="webhook: more of them; secret ones as env:NAME or file:PATH"
    )
    command: Annotated[tuple[str, ...] | None, AfterValidator(_arguments)] = Field(
        None, description="command: program and arguments, run without a shell in the configuration's directory"
    )
    env: Annotated[dict[str, str], BeforeValidator(_environment)] = Field(
        default_factory=dict, description="command: its whole environment, beside PATH, LANG and CALWATCH_*"
    )
    smtp: Listen | None = Field(None, description="email: host:port of the server that takes it")
    encryption: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="email: starttls (port 587), tls from the start (port 465), or none"
    )
    user: str | None = Field(None, description="email: name to log in with, or env:NAME or file:PATH; none: no login")
    password: SecretName | None = Field(None, description="email: env:NAME or file:PATH of the password")
    sender: Address | None = Field(None, description="email: the address it comes from")
    to: tuple[Address, ...] = Field((), description="email: addresses it goes to")
    timeout: Duration = Field(timedelta(seconds=30), description="of one attempt")
    attempts: Whole = Field(5, ge=1, le=100, description="until it counts as failed, with back-off from 30 s to 1 h")

    def _check_name(self) -> Iterator[str]:
        if self.name == "recalibrate":
            yield 'name must not be "recalibrate", which is built in'

    def _check_timeout(self) -> Iterator[str]:
        if not timedelta(seconds=1) <= self.timeout <= timedelta(days=7):
            yield f"timeout must lie between 1s and 7d (got {format_duration(self.timeout)!r})"

    def _check_needed(self) -> Iterator[str]:
        yield from judge_each(partial(self._needed, key, told) for key, told in NEEDED_KEYS[self.kind].items())

    def _needed(self, key: str, told: str) -> Iterator[str]:
        if not getattr(self, key):
            yield told

    def _check_url(self) -> Iterator[str]:
        if self.kind == "slack" and self.url is not None and not is_reference(self.url):
            yield 'url of slack is a secret by itself: name it as "env:NAME" or "file:PATH"'

    def _check_login(self) -> Iterator[str]:
        if (self.user is None) != (self.password is None):
            yield "user and password go together"

    def _check_encryption(self) -> Iterator[str]:
        if self.password is not None and self.encryption == "none":
            yield 'password must not travel in the clear: encryption "none" takes no login'

    def _check_keys(self) -> Iterator[str]:
        for key in sorted(self.model_fields_set & self.foreign_keys({"kind": self.kind})):
            yield f"{key} does not go with kind {self.kind}"

    @classmethod
    def foreign_keys(cls, table: Mapping[str, object]) -> frozenset[str]:
        """Return the keys that only other kinds take."""
        own = KEYS_OF_KIND.get(str(table.get("kind")))
        return frozenset(key for keys in KEYS_OF_KIND.values() for key in keys) - set(own) if own else frozenset()

    def foreign_models(self, names: Sequence[str], number: int) -> Iterator[str]:
        """Yield the models it names that are none of ``names``. ``number``: the action's in the file."""
        for name in self.models:
            if name not in names:
                yield At(f'there is no model "{name}"{suggest_nearest(name, names)}', "action", number)

    @property
    def where(self) -> str:
        """What it calls, to be shown to people: a secret URL by its name only, an open one without its query."""
        if self.kind == "command":
            return (self.command or ("",))[0]
        if self.kind == "email":
            return f"{self.smtp} to {', '.join(self.to)}"
        url = self.url or ""
        return url if is_reference(url) else url.partition("?")[0]

    @property
    def secrets(self) -> tuple[str, ...]:
        """The secrets it names: ``env:NAME``, ``file:PATH``."""
        named = (self.url, self.secret, self.user, self.password, *self.headers.values(), *self.env.values())
        return tuple(dict.fromkeys(text for text in named if text is not None and is_reference(text)))
