"""A message to a chat room by its incoming webhook. Slack, Mattermost and Rocket.Chat all take ``text`` and ``attachments``;
Slack's newer blocks only Slack does."""

import json
import re

from monitor.jobs.actions.delivery import Delivery, DeliveryResult
from monitor.jobs.actions.message import EventContext, Message, message_of
from monitor.jobs.actions.webhook import call_webhook

_LONGEST = 2500  # characters of one text; Slack cuts at 3,000 or refuses
_FORMAT = re.compile(r"[*`~]|\](?=\()|(?<![^\W_])_|_(?![^\W_])")  # an underscore inside a word formats nothing


def call_slack(delivery: Delivery, secrets: dict[str, str], known: EventContext) -> DeliveryResult:
    """POST the message, as webhooks are called: same timeout, same answers that are worth another attempt."""
    body = json.dumps(slack_body(message_of(delivery, known), delivery), ensure_ascii=False).encode()
    return call_webhook(delivery, secrets, body)


def slack_body(message: Message, delivery: Delivery) -> dict[str, object]:
    """The JSON object that is sent. What sources named can neither mention people nor make links."""
    attachment: dict[str, object] = {
        "fallback": plain_text(message.title), "color": message.colour, "title": plain_text(message.title),
        "fields": [
            {"title": heading, "value": plain_text(text), "short": False} for heading, text in message.facts
        ],
        "footer": "calwatch", "ts": int(delivery.at.timestamp()),
    }  # fmt: skip
    if message.link is not None:
        attachment["title_link"] = message.link
    return {"text": plain_text(message.title), "attachments": [attachment]}


def plain_text(text: str) -> str:
    """Text that shows as it is: no mention (@…, <!…>), no link, no emphasis."""
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}…"
    for mark, instead in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("@", "@\u200b")):
        text = text.replace(mark, instead)
    return _FORMAT.sub("\\g<0>\u2060", text)  # the word joiner keeps each from pairing with another
