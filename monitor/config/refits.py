"""What refits and tuning do: `[model.recalibration]` and `[model.threshold]`."""

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field

from monitor.config.fields import Cron, Duration, Number, PositiveDuration, Probability, Whole
from monitor.config.mistakes import CLOSE
from monitor.config.section import MustError, Section
from monitor.config.toml import suggest_nearest
from monitor.model.methods import METHOD_NAMES, METHODS


def _policy(value: str) -> str:
    # numpy and scipy load only when a threshold is asked for
    from monitor.statistics.thresholds.policies import PROMISES, parse_policy

    try:
        parse_policy(value)
    except ValueError as error:
        must = str(error).removeprefix("threshold policy must ").rpartition(" (got ")[0]
        word = re.split("[:<>=]", value)[0]
        raise MustError(must, near=suggest_nearest(word, ("f1", "fbeta", "youden", "cost", *PROMISES), CLOSE)) from None
    return value


Policy = Annotated[str, AfterValidator(_policy)]
_METHODS = ", ".join(method.name if method.fit else f"{method.name} (needs logits)" for method in METHODS)
if TYPE_CHECKING:
    MethodName = str
else:
    MethodName = Literal[("auto", *METHOD_NAMES)]


class Recalibration(Section):
    """Refits: when, how, and who applies the result."""

    schedule: Cron | None = Field(
        None, description='cron, e.g. "0 2 * * *"; none: only rules and people ask for refits'
    )
    method: MethodName = Field("auto", description=f"auto lets data decide; or {_METHODS}")
    apply: Literal["serving", "monitor"] = Field(
        "serving",
        description="serving: production applies the calibrator and logs its id; monitor: samples carry raw scores and "
        "calwatch applies it",
    )
    fit_window: PositiveDuration = Field(
        timedelta(days=14), description="how far back a refit looks, unless drift began later"
    )
    gate_fraction: Probability = Field(0.4, description="latest share of that window, kept from the fit for the gate")
    min_samples: Whole = Field(1000, ge=50, description="labelled samples a refit needs, fit and gate together")
    max_samples: Whole = Field(
        2_000_000,
        ge=50,
        description="labelled samples a refit takes into memory, fewer where each has more than 50 logits; of more, whole "
        "groups are chosen by a hash of their id",
    )
    confidence: Probability = Field(0.95, description="of the bounds the gate asks for")
    timeout: PositiveDuration = Field(
        timedelta(hours=1), description="a refit that runs longer is ended, by the daemon"
    )
    attempts: Whole = Field(
        5, ge=1, le=100, description="of a refit that fails for a reason that may pass, with back-off"
    )
    guard: Duration = Field(
        timedelta(days=14),
        description="how long a promoted calibrator is compared with the one before; rolled back when worse; 0s: never",
    )


class Threshold(Section):
    """Which decision threshold a refit chooses with the calibrator, and tuning without one."""

    policy: Policy = Field(
        "f1",
        description="f1, fbeta:B, youden, cost:fp=A,fn=B (with ,prior=P for another base rate), or a promise: "
        "precision>=P, recall>=R, fp_per_image<=X, accuracy>=A",
    )
    confidence: Annotated[Number, Field(ge=0.5, lt=1)] = Field(
        0.95, description="with which a promise holds; of each bound shown"
    )
    per: tuple[Literal["predicted_class", "class"], ...] = Field(
        (), description="one more threshold for each class: predicted_class, or class (one-vs-rest, needs logits)"
    )
    schedule: Cron | None = Field(
        None, description="cron of tuning, without a refit; none: only people ask for it, and refits choose their own"
    )
