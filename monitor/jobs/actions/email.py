"""E-mail: plain text and HTML, the reliability diagram inside and to be saved, over SMTP with TLS unless told otherwise."""

import hashlib
import smtplib
import ssl
from contextlib import suppress
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from html import escape

from monitor import __version__
from monitor.config.secrets import mask_secrets
from monitor.jobs.actions.delivery import Delivery, DeliveryResult
from monitor.jobs.actions.message import EventContext, Message, message_of

PICTURE = "reliability.png"


def send_mail(delivery: Delivery, secrets: dict[str, str], known: EventContext) -> DeliveryResult:
    """Hand the mail to the server. Refusals for now (4xx) and broken connections may pass; others do not. What goes wrong
    is returned in words that hold no secret, not raised."""
    action = delivery.action
    held = list(secrets.values())
    mail = mail_of(delivery, known)
    try:
        with _connected(delivery) as server:
            if action.user is not None and action.password is not None:
                server.login(secrets.get(action.user, action.user), secrets[action.password])
            refused = server.send_message(mail, to_addrs=action.to)
    except smtplib.SMTPRecipientsRefused as error:
        code, text = next(iter(error.recipients.values()))
        return _refused(action.where, code, text, held)
    except smtplib.SMTPResponseException as error:
        return _refused(action.where, error.smtp_code, error.smtp_error, held)
    except smtplib.SMTPNotSupportedError as error:
        return DeliveryResult(False, f"{action.where}: {error}; see encryption and user of the action")
    # unreachable, too slow, TLS, an answer that is not SMTP
    except (OSError, smtplib.SMTPException, ValueError) as error:
        seconds = action.timeout.total_seconds()
        what = f"no answer within {seconds:g} s" if isinstance(error, TimeoutError) else f"{error}"
        return DeliveryResult(False, mask_secrets(f"{action.where}: {what}", held), may_pass=True)
    note = "" if known.picture else f", without the picture: {known.note}"
    if refused:  # the others have it: another attempt would reach them twice
        note += f"; refused for {', '.join(sorted(refused))}"
    return DeliveryResult(True, f"{action.where}: sent{note}")


def _connected(delivery: Delivery) -> smtplib.SMTP:
    """A connection, encrypted as the action says; certificates are verified."""
    action = delivery.action
    host, _, port = (action.smtp or "").rpartition(":")
    host = host.strip("[]")  # of an IPv6 address
    seconds = action.timeout.total_seconds()
    if action.encryption == "tls":
        return smtplib.SMTP_SSL(host, int(port), timeout=seconds, context=ssl.create_default_context())
    server = smtplib.SMTP(host, int(port), timeout=seconds)
    if action.encryption == "starttls":
        try:
            server.starttls(context=ssl.create_default_context())
        except BaseException:  # whatever it is, also SystemExit at the timeout: nobody else closes what was opened
            with suppress(OSError):
                server.close()
            raise
    return server


def _refused(where: str, code: int, text: bytes | str, secrets: list[str]) -> DeliveryResult:
    said = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return DeliveryResult(False, mask_secrets(f"{where}: {code} {said}", secrets), may_pass=not 500 <= code < 600)


def mail_of(delivery: Delivery, known: EventContext) -> EmailMessage:
    """The mail. Its Message-ID is the same for every attempt; an alert's end is threaded with its beginning."""
    action, message = delivery.action, message_of(delivery, known)
    domain = (action.sender or "").rpartition("@")[2]
    mail = EmailMessage(policy=SMTP)
    mail["From"] = Address("calwatch", addr_spec=action.sender)
    mail["To"] = [Address(addr_spec=each) for each in action.to]
    mail["Subject"] = _line(message.title)
    mail["Date"] = format_datetime(delivery.at)
    mail["Message-ID"] = f"<{delivery.key}@{domain}>"
    mail["References"] = f"<{hashlib.sha256(message.thread.encode()).hexdigest()[:20]}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["User-Agent"] = f"calwatch/{__version__}"
    mail.set_content(_plain(message, known))
    mail.add_alternative(_html(message, known, f"{delivery.key}@{domain}.png"), subtype="html")
    if known.picture is not None:
        related = mail.get_payload()[1]  # type: ignore[index]  # the HTML part of multipart/alternative
        related.add_related(  # type: ignore[union-attr]  # an EmailMessage
            known.picture, "image", "png", cid=f"<{delivery.key}@{domain}.png>", disposition="inline", filename=PICTURE
        )
    return mail


def _line(text: str) -> str:
    """One header line of at most 200 characters."""
    line = " ".join("".join(mark if mark.isprintable() else " " for mark in text).split())
    return line if len(line) <= 200 else f"{line[:199]}…"


def _plain(message: Message, known: EventContext) -> str:
    lines = [message.title, "", *(f"{heading}: {text}" for heading, text in message.facts)]
    if message.link is not None:
        lines += ["", message.link]
    if known.note:
        lines += ["", known.note]
    return "\n".join(lines) + "\n"


def _html(message: Message, known: EventContext, cid: str) -> str:
    """Tables and inline styles: mail programs know little else."""
    cell = "padding:4px 12px 4px 0;vertical-align:top"
    rows = "".join(
        f'<tr><th align="left" style="{cell};white-space:nowrap;font-weight:normal;color:#5b646e">{escape(heading)}</th>'
        f'<td style="{cell}">{escape(text)}</td></tr>'
        for heading, text in message.facts
    )
    title = escape(message.title)
    if message.link is not None:
        title = f'<a href="{escape(message.link)}" style="color:{message.colour}">{title}</a>'
    picture = (
        "" if known.picture is None else f'<p><img src="cid:{escape(cid)}" width="360" alt="Reliability diagram"></p>'
    )
    note = f'<p style="color:#5b646e">{escape(known.note)}</p>' if known.note else ""
    return (
        '<!doctype html><html lang="en"><body style="font-family:Arial,Helvetica,sans-serif;font-size:15px;color:#1d2126">'
        f'<p style="font-size:17px;border-left:4px solid {message.colour};padding-left:10px"><b>{title}</b></p>'
        f"<table>{rows}</table>{picture}{note}</body></html>\n"
    )
