"""The certificate of the HTTP server: looked at before anything listens, and again whenever its files have changed."""

import ssl
from pathlib import Path

import structlog

from monitor.errors import CalwatchError

log = structlog.get_logger("calwatch")


def demand_usable(certificate: Path, key: Path) -> None:
    """Raises CalwatchError when the two files cannot serve TLS: missing, unreadable, no pair, or behind a passphrase."""
    _loaded(certificate, key)


def serving_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS 1.2 and newer. A renewed certificate is served from the next connection on; while the changed files are no pair,
    the one before is. Raises CalwatchError as ``demand_usable`` does."""
    stamp = _stamp(certificate, key)
    current = _loaded(certificate, key)

    def renew(connection: ssl.SSLObject, name: str | None, asked: ssl.SSLContext) -> None:
        nonlocal stamp, current
        found = _stamp(certificate, key)
        if found != stamp:
            stamp = found
            try:
                current = _loaded(certificate, key)
                log.info("certificate renewed", certificate=str(certificate))
            except CalwatchError as error:
                log.error("certificate not renewed, the one before stays", problem=error.message, hint=error.hint)
        connection.context = current

    listening = _loaded(certificate, key)
    listening.sni_callback = renew  # called with each handshake, also where no name is sent
    return listening


def _stamp(*paths: Path) -> tuple[tuple[int, int] | None, ...]:
    """Tells whether a file is another one than before; None: it cannot be looked at."""
    found: list[tuple[int, int] | None] = []
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            found.append(None)
        else:
            found.append((status.st_mtime_ns, status.st_ino))
    return tuple(found)


def _loaded(certificate: Path, key: Path) -> ssl.SSLContext:
    for path in (certificate, key):
        try:
            path.read_bytes()
        except OSError as error:
            raise CalwatchError(
                f"{path}: cannot be read: {error.strerror}",
                "let the daemon's user read it, see [server] tls_certificate",
            ) from error
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # without a password of ours, OpenSSL would ask for one on the terminal
        context.load_cert_chain(certificate, key, password=lambda: "")
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or "is no PEM file, or the key has a passphrase"
        raise CalwatchError(
            f"{certificate} and {key} cannot serve TLS: {reason}",
            "name the PEM file of the certificate chain, and that of its key without a passphrase",
        ) from None
    return context
