"""Rules and the state of each on every slice, health apart from state; drift evidence; disparities."""

from collections import Counter
from math import isnan
from typing import Annotated

from fastapi import Query

from monitor.model import AlertState, Evidence, Health, ModelStatus
from monitor.model.errors import UsageError
from monitor.publish.web.pages.render import Choice, Context, Number, Past, cut_part, demand_known, make_link
from monitor.publish.web.summary import urgency

ROWS = 100
_ORDER = (AlertState.FIRING, AlertState.PENDING, AlertState.RESOLVED, AlertState.INACTIVE)
_HEALTHS = (Health.ERROR, Health.UNKNOWN, Health.OK)


def rules_page(
    context: Context, past: Past, *, model: str, rule: Choice = None, state: Choice = None, page: Number = 1,
    evidence_page: Annotated[Number, Query(alias="look")] = 1,
) -> str:  # fmt: skip
    """``page`` of the alerts, ``evidence_page`` of the evidence. Raises UsageError for a model, rule or state there is not."""
    digest = context.digest
    if digest is None:
        return context.render_page("overview.html")
    status = digest.model(model)
    names = [each.name for each in status.rules]
    if rule is not None and rule not in names:
        raise UsageError(f'model "{model}" has no rule "{rule}"', f"known: {', '.join(names) or 'none'}")
    wanted = _wanted(state)
    alerts = sorted(
        (
            each
            for each in status.alerts
            if rule in (None, each.rule) and (each.state in wanted or each.health in wanted)
        ),
        key=lambda alert: (_ORDER.index(alert.state), _HEALTHS.index(alert.health), *urgency(alert)),
    )
    asked = {"model": model, "rule": rule, "state": state}
    evidence = sorted((each for each in status.evidence if rule in (None, each.rule)), key=_by_evidence)
    with past() as history:
        disparities = [each for each in history.disparities(model) if rule in (None, each.rule)]
    return context.render_page(
        "rules.html", model=model, status=status, rule=rule, state=state,
        counts=_counts(status), states=(*_ORDER, Health.UNKNOWN, Health.ERROR),
        alerts=cut_part(alerts, page, ROWS, lambda number: make_link("rules", **asked, page=number) + "#states"),
        evidence=cut_part(evidence, evidence_page, ROWS, lambda number: make_link("rules", **asked, look=number) + "#evidence"),
        listed=sum(each.listed for each in status.evidence),
        disparities=disparities,
        rules={each.name: each for each in status.rules},
    )  # fmt: skip


def _wanted(state: str | None) -> set[str]:
    if state is None:
        return {AlertState.FIRING, AlertState.PENDING, AlertState.RESOLVED, Health.UNKNOWN, Health.ERROR}
    demand_known("state", state, sorted({str(each) for each in (*_ORDER, *_HEALTHS)}))
    return {state}


def _counts(status: ModelStatus) -> dict[str, list[tuple[str, int]]]:
    """By rule how many slices are in which state, and of how many it cannot be told."""
    counted: dict[str, Counter[str]] = {rule.name: Counter() for rule in status.rules}
    for alert in status.alerts:
        own = counted.setdefault(alert.rule, Counter())
        own[alert.state] += 1
        if alert.health is not Health.OK:
            own[alert.health] += 1
    order = (*_ORDER, Health.UNKNOWN, Health.ERROR)
    return {rule: [(name, counts[name]) for name in order if counts[name]] for rule, counts in counted.items()}


def _by_evidence(each: Evidence) -> tuple[bool, bool, float, str]:
    """Listed ones first, then by ratio; those that nothing can be said of yet last."""
    unknown = each.reference_missing is not None or isnan(each.ratio)
    return unknown, not each.listed, 0.0 if unknown else -each.ratio, each.slice.text
