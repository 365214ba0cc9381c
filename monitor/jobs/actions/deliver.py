"""Which kind of action is carried out how; a process imports what its own kind needs."""

from monitor.config.secrets import SecretError, reveal_secret
from monitor.jobs.actions.delivery import Delivery, DeliveryResult


def deliver_event(delivery: Delivery) -> DeliveryResult:
    """One attempt, to its end; what goes wrong is returned, not raised. Where people are told, the snapshot is looked at."""
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
            from monitor.jobs.actions.context import load_context
            from monitor.jobs.actions.slack import call_slack

            return call_slack(delivery, secrets, load_context(delivery, draw=False))
        case "email":
            from monitor.jobs.actions.context import load_context
            from monitor.jobs.actions.email import send_mail

            return send_mail(delivery, secrets, load_context(delivery, draw=True))
