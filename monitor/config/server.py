"""``[server]`` and ``[[server.token]]`` in calwatch.toml: who may use the HTTP API, over which address, and how much."""

import ipaddress
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from monitor.config.fields import Name, OwnPath, Whole, find_repeated
from monitor.config.secrets import NAMED, is_reference
from monitor.config.section import Section
from monitor.config.tokens import Role, is_hash

Open = Literal["health", "metrics", "reading"]


def _hash(value: str) -> str:
    if not is_hash(value) and not is_reference(value):
        raise ValueError(
            'must be the hash that "calwatch token new" prints, or name it as "env:NAME" or "file:PATH" (what is there is '
            "not shown)"
        )
    return value


class Token(Section):
    """One who may use the API; the token itself is nowhere kept."""

    name: Name = Field(description="who has the token; named in the log when it is used")
    role: Role = Field(description="read: show; write: also push samples and ask for jobs; admin: also reload")
    hash: Annotated[str, AfterValidator(_hash)] = Field(
        description="sha256:…, as `calwatch token new` prints it; or where it stands: env:NAME, file:PATH",
        json_schema_extra={"pattern": rf"^(sha256:[0-9a-f]{{64}}|{NAMED})$"},
    )


class Server(Section):
    """The HTTP server: the page, /metrics and the API."""

    token: tuple[Token, ...] = ()
    without_token: tuple[Open, ...] | None = Field(
        None,
        description="what is shown to anybody: health, metrics, reading (all that only shows; on loopback only). "
        "None: all three on a loopback address, elsewhere health",
    )
    allowed_hosts: tuple[str, ...] = Field(
        (),
        description="names under which browsers may ask, without port; localhost and the address listened on always may",
    )
    tls_certificate: OwnPath | None = Field(
        None, description="PEM file with the certificate chain; relative to this file"
    )
    tls_key: OwnPath | None = Field(None, description="PEM file with its key, without a passphrase")
    max_push_megabytes: Whole = Field(16, ge=1, le=1024, description="largest body of one push; beyond it: 413")
    max_inbox_megabytes: Whole = Field(
        1024, ge=1, description="pushed and not yet pulled, by source; beyond it: 429, try again later"
    )
    max_inbox_files: Whole = Field(
        20_000, ge=1, description="likewise, in pushes: 50 a second for more than six minutes of one cycle"
    )

    def _check_tls(self) -> Iterator[str]:
        if (self.tls_certificate is None) != (self.tls_key is None):
            yield "[server] tls_certificate and tls_key go together: name both, or none"

    def _check_tokens(self) -> Iterator[str]:
        for name in find_repeated(token.name for token in self.token):
            yield f'[server] two tokens are called "{name}"'

    def _check_hosts(self) -> Iterator[str]:
        for host in self.allowed_hosts:
            if not host or set(host) & set("/ @,") or (":" in host and not _is_address(host)):
                yield f"[server] allowed_hosts must be names without scheme, port and path (got {host!r})"

    def open_on(self, listen: str) -> tuple[Open, ...]:
        """What needs no token when listening on ``host:port``."""
        loopback = is_loopback(host_of(listen))
        if self.without_token is None:
            return ("health", "metrics", "reading") if loopback else ("health",)
        return tuple(part for part in self.without_token if loopback or part != "reading")

    def mistakes(self, listen: str) -> Iterator[str]:
        """What does not go with the address listened on."""
        if is_loopback(host_of(listen)):
            return
        if not self.token:
            yield (
                f'[monitor] listen = "{listen}" can be reached from elsewhere and needs a [[server.token]]: make one with '
                "calwatch token new --role read"
            )
        if "reading" in (self.without_token or ()):
            yield f'[server] without_token: "reading" is for loopback addresses only (listen = "{listen}")'

    def has_role(self, needed: Role) -> bool:
        """Whether some token may do what needs this role."""
        return any(token.role.is_at_least(needed) for token in self.token)


def host_of(listen: str) -> str:
    """The host of ``host:port``, an IPv6 address without its brackets."""
    return listen.rpartition(":")[0].strip("[]")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the host."""
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
