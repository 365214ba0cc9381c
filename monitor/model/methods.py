"""Methods of calibration: the one place where they are listed, simplest first.

What else calwatch says of a method comes from here and from its class: the configuration and its reference, candidates of
``auto``, the schema of artefacts, ONNX. A new method is an entry here, a ``Calibrator`` and a fit in a file of
``monitor.recalibration``, and their test.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Method:
    """One method. Places are those of names below ``monitor.recalibration``, such as "calibrators.Platt"."""

    name: str
    calibrator: str
    fit: str = ""  # on scores; "" = it cannot be fitted on them
    fit_logits: str = ""  # on logits and true classes; "" = it cannot be fitted on them
    formula: str = ""  # the calibrated score, of score p or logits z
    needs: str = ""  # for people
    title: str = ""  # in messages, if not its name
    on_rates: bool = False  # of cells it is fitted on the rate of each score, not on rows of one outcome
    least_each_outcome: int = 0  # as a candidate of "auto": samples of either outcome
    least_each_class: int = 0  # as a candidate of "auto": rows of each class


METHODS = (
    Method("identity", "calibrators.Identity", "fit_scores.fit_identity", "fit_scores.fit_identity", formula="p"),
    Method(
        "temperature", "calibrators.Temperature", "fit_scores.fit_temperature", "fit_logits.fit_temperature_multiclass",
        formula="sigmoid(logit(p) / T); with logits the top of softmax(z / T)", needs="50 samples, 5 of each outcome",
    ),
    Method(
        "platt", "calibrators.Platt", "fit_scores.fit_platt",
        formula="sigmoid(slope · logit(p) + intercept), slope ≥ 0", needs="the same",
    ),
    Method(
        "beta", "calibrators.Beta", "fit_scores.fit_beta",
        formula="sigmoid(a · ln p − b · ln(1 − p) + c), a, b ≥ 0", needs="the same",
    ),
    Method(
        "isotonic", "calibrators.Isotonic", "fit_scores.fit_isotonic",
        formula="any curve that does not fall, from its data points",
        needs="as a candidate of `auto` 1,000 of each outcome",
        # with fewer it overfits (Niculescu-Mizil & Caruana 2005)
        on_rates=True, least_each_outcome=1_000,
    ),
    Method(
        "vector", "calibrators.Vector", fit_logits="fit_logits.fit_vector", title="vector scaling",
        formula="softmax(w ∘ z + b) at the class that z predicts; the prediction itself stays",
        needs="logits that agree with `predicted_class`; as a candidate of `auto` 100 rows of each class",
        # two parameters each
        least_each_class=100,
    ),
)  # fmt: skip
METHOD_NAMES = tuple(method.name for method in METHODS)


def method_named(name: str, among: tuple[str, ...] = METHOD_NAMES) -> Method:
    """Return the method of a name. Raises ValueError, listing the names it may have, for any other than ``among``."""
    if name not in among:
        raise ValueError(f"method must be one of {', '.join(among)} (got {name!r})")
    return next(method for method in METHODS if method.name == name)
