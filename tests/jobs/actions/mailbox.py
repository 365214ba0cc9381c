"""An SMTP server under test's control, with STARTTLS, login and refusals; and a certificate it can show."""

import base64
import shutil
import socketserver
import ssl
import subprocess
import threading
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest

LOGIN = ("watch", "a password nobody may see")


def certificate(directory: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signed itself, and its key. Skips the test where there is no openssl."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    shown, key = directory / "smtp.pem", directory / "smtp.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(shown)],
        check=True, capture_output=True,
    )  # fmt: skip
    return shown, key


class Mailbox:
    """Takes mail; ``answers``: what to say instead of the usual, by command; ``heard``: the commands that came."""

    def __init__(self, tls: tuple[Path, Path] | None = None, *, at_once: bool = False, login: bool = False) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.answers: dict[str, list[str]] = {}
        self.heard: list[str] = []
        self.login = login
        self.context: ssl.SSLContext | None = None
        if tls is not None:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*tls)
        mailbox = self

        class Talking(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                talk = _Talk(mailbox, self)
                try:
                    if at_once:
                        talk.secure_it()
                    talk.go()
                finally:
                    talk.close()

        class Server(socketserver.ThreadingTCPServer):
            def handle_error(self, request: Any, client_address: Any) -> None:
                """A client that breaks off, as one that trusts no such certificate does, is no error here."""

        self.server = Server(("127.0.0.1", 0), Talking)
        self.server.daemon_threads = False
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.server_address[1]}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class _Talk:
    """One connection."""

    def __init__(self, mailbox: Mailbox, handler: socketserver.StreamRequestHandler) -> None:
        self.mailbox = mailbox
        self.socket: Any = handler.connection
        self.secure = False
        self.reading = self.socket.makefile("rb")

    def secure_it(self) -> None:
        assert self.mailbox.context is not None
        self.reading.close()
        self.socket = self.mailbox.context.wrap_socket(self.socket, server_side=True)
        self.reading = self.socket.makefile("rb")
        self.secure = True

    def close(self) -> None:
        self.reading.close()
        self.socket.close()

    def _say(self, text: str) -> None:
        self.socket.sendall(text.encode() + b"\r\n")

    def go(self) -> None:
        self._say("220 test")
        to: list[str] = []
        while line := self.reading.readline().decode().rstrip("\r\n"):
            command = line.split()[0].upper()
            self.mailbox.heard.append(command)
            told = self.mailbox.answers.get(command)
            if told:
                self._say(told.pop(0))
                continue
            match command:
                case "EHLO":
                    more = ["STARTTLS"] if self.mailbox.context and not self.secure else []
                    more += ["AUTH PLAIN"] if self.mailbox.login else []
                    lines = ["test", *more, "8BITMIME"]
                    self._say("\r\n".join(f"250{'-' if n < len(lines) else ' '}{t}" for n, t in enumerate(lines, 1)))
                case "STARTTLS":
                    self._say("220 go ahead")
                    self.secure_it()
                case "AUTH":
                    given = tuple(base64.b64decode(line.split()[2]).decode().split("\0")[1:])
                    self._say("235 welcome" if given == LOGIN else f"535 no {given[1]} here")
                case "RCPT":
                    to.append(line.partition("<")[2].partition(">")[0])
                    self._say("250 fine")
                case "DATA":
                    self._say("354 go on")
                    held = b""
                    while not (part := self.reading.readline()).startswith(b".\r\n"):
                        held += part[1:] if part.startswith(b"..") else part
                    mail = message_from_bytes(held, policy=default)
                    assert isinstance(mail, EmailMessage)
                    self.mailbox.mails.append(mail)
                    self.mailbox.recipients.append(to)
                    self._say("250 taken")
                case "QUIT":
                    self._say("221 bye")
                    return
                case _:
                    self._say("250 fine")
