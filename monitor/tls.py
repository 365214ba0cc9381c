"""The certificate of the HTTP server, looked at before anything listens."""

import ssl
from pathlib import Path

from monitor.errors import CalwatchError


def demand_usable(certificate: Path, key: Path) -> None:
    """Raises CalwatchError when the two files cannot serve TLS: missing, unreadable, no pair, or behind a passphrase."""
    for path in (certificate, key):
        try:
            path.read_bytes()
        except OSError as error:
            raise CalwatchError(
                f"{path}: cannot be read: {error.strerror}",
                "let the daemon's user read it, see [server] tls_certificate",
            ) from error
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # without a password of ours, OpenSSL would ask for one on the terminal
        context.load_cert_chain(certificate, key, password=lambda: "")
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or "is no PEM file, or the key has a passphrase"
        raise CalwatchError(
            f"{certificate} and {key} cannot serve TLS: {reason}",
            "name the PEM file of the certificate chain, and that of its key without a passphrase",
        ) from None
