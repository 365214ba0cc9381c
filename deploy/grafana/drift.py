"""Panels about drift evidence and the state of rules."""

from collections.abc import Sequence

from grafana_foundation_sdk.builders import statetimeline, timeseries

from deploy.grafana.panels import EVIDENCE, Ask, lines, runbook, states
from deploy.grafana.slices import Dimensions

FIRING = (("0", "quiet", "green"), ("1", "firing", "red"))
STEPS: Sequence[tuple[float | None, str]] = ((None, "transparent"), EVIDENCE[-1])


def evidence(dimensions: Dimensions, matchers: str, *, span: int = 12) -> timeseries.Panel:
    says = (
        "Evidence that outcomes no longer follow the scores, over the limit that the rule's false-alarm budget sets: "
        "1 (dashed) = alarm. Near 0 = nothing speaks for drift. Half of the limit comes about twice as often by luck as an "
        "alarm does. Rising towards 1 = look at the slice soon. It starts again from 0 after an alarm, a new version "
        "or a new calibrator. No line = not judged there: unknown."
    )
    ask = Ask(dimensions.each("calwatch_drift_evidence_ratio", matchers, "rule"), f"{dimensions.legend} ({{{{rule}}}})")
    panel = lines("Drift evidence", says, [ask], span=span, limit=STEPS, least=0, most=1.1)
    return panel.decimals(2).links([runbook("CalwatchDrift"), runbook("CalwatchDriftEvidenceRising")])


def rules(dimensions: Dimensions, matchers: str, *, span: int = 12) -> statetimeline.Panel:
    says = (
        "Each rule that has ever had cause in a slice: firing (red) or quiet. Who fires and why, in words: calwatch status "
        "and the page. A rule that is not listed has never had cause. Gap = calwatch was not scraped."
    )
    ask = Ask(dimensions.each("calwatch_rule_firing", matchers, "rule"), f"{{{{rule}}}}: {dimensions.legend}")
    return states("Rules", says, ask, FIRING, span=span).links([runbook("CalwatchRuleFiring")])
