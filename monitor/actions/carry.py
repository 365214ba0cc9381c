"""Which kind of action is carried out how."""

from monitor.actions.command import run_command
from monitor.actions.delivery import Delivered, Delivery
from monitor.actions.mail import send_mail
from monitor.actions.message import Known, Look
from monitor.actions.slack import call_slack
from monitor.actions.webhook import call_webhook


def blind(delivery: Delivery, *, draw: bool) -> Known:
    """Where there is no snapshot to look at."""
    return Known(note="calwatch had no snapshot to look at" if draw else "")


def carry(delivery: Delivery, look: Look = blind) -> Delivered:
    """One attempt, to its end; what goes wrong is returned, not raised. ``look`` is asked where people are told."""
    match delivery.action.kind:
        case "webhook":
            return call_webhook(delivery)
        case "command":
            return run_command(delivery)
        case "slack":
            return call_slack(delivery, look(delivery, draw=False))
        case "email":
            return send_mail(delivery, look(delivery, draw=True))
