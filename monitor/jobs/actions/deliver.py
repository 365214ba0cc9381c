"""Which kind of action is carried out how; a process imports what its own kind needs."""

from typing import TYPE_CHECKING

from monitor.jobs.actions.delivery import Delivered, Delivery

if TYPE_CHECKING:
    from monitor.jobs.actions.message import Known, Look


def blind(delivery: Delivery, *, draw: bool) -> "Known":
    """Where there is no snapshot to look at."""
    from monitor.jobs.actions.message import Known

    return Known(note="calwatch had no snapshot to look at" if draw else "")


def carry(delivery: Delivery, look: "Look" = blind) -> Delivered:
    """One attempt, to its end; what goes wrong is returned, not raised. ``look`` is asked where people are told."""
    match delivery.action.kind:
        case "webhook":
            from monitor.jobs.actions.webhook import call_webhook

            return call_webhook(delivery)
        case "command":
            from monitor.jobs.actions.command import run_command

            return run_command(delivery)
        case "slack":
            from monitor.jobs.actions.slack import call_slack

            return call_slack(delivery, look(delivery, draw=False))
        case "email":
            from monitor.jobs.actions.email import send_mail

            return send_mail(delivery, look(delivery, draw=True))
