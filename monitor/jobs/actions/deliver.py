"""Which kind of action is carried out how; a process imports what its own kind needs."""

from typing import TYPE_CHECKING

from monitor.config.secrets import SecretError, reveal_secret
from monitor.jobs.actions.delivery import Delivery, DeliveryResult

if TYPE_CHECKING:
    from monitor.jobs.actions.message import ContextLoader, EventContext


def give_no_context(delivery: Delivery, *, draw: bool) -> "EventContext":
    """Where there is no snapshot to look at."""
    from monitor.jobs.actions.message import EventContext

    return EventContext(note="calwatch had no snapshot to look at" if draw else "")


def deliver_event(delivery: Delivery, load_context: "ContextLoader" = give_no_context) -> DeliveryResult:
    """One attempt, to its end; what goes wrong is returned, not raised. ``load_context`` is asked where people are told."""
    try:
        secrets = {name: reveal_secret(name, delivery.base) for name in delivery.action.secrets}
    except SecretError as error:
        return DeliveryResult(False, f"{error.message} ({error.hint})")
    match delivery.action.kind:
        case "webhook":
            from monitor.jobs.actions.webhook import call_webhook

            return call_webhook(delivery, secrets)
        case "command":
            from monitor.jobs.actions.command import run_command

            return run_command(delivery, secrets)
        case "slack":
            from monitor.jobs.actions.slack import call_slack

            return call_slack(delivery, secrets, load_context(delivery, draw=False))
        case "email":
            from monitor.jobs.actions.email import send_mail

            return send_mail(delivery, secrets, load_context(delivery, draw=True))
