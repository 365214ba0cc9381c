"""What to do about rows that were set aside, by reason."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import accumulate

from monitor.model.durations import format_duration
from monitor.model.wording import rough_duration

Lateness = tuple[float, float, int]  # seconds from predictions to labels that come too late: median, longest; how many

REMEDIES = {
    "unreadable_line": "files are UTF-8; CSV has as many fields in each row as in the header; JSON is one object a line, which "
    "jq -c '.[]' makes of a list",
    "line_too_long": "of a line 16 MiB are read, of CSV 2 MiB: leave out what calwatch does not need, such as an image or a "
    "list; in CSV a quote that is never closed makes one row of all that follows",
    "unreadable_time": "times are written 2026-01-31 14:05:09, or with +01:00, GMT+8 or Europe/Paris behind, or are numbers "
    'with time_unit = "s", "ms", "us" or "ns"; a name such as CET only if time_zone uses it; for others: '
    "calwatch docs which-columns-when",
    "missing_score": "each row needs a score; if it is called otherwise, map it in columns",
    "score_not_a_number": "scores are numbers with a decimal point, such as 0.83; of a list name the one that is the score, "
    'the first is 0: score = "scores.1"',
    "score_outside_0_1": 'scores are probabilities from 0 to 1; percentages need score_unit = "percent" in [model.source]',
    "unknown_outcome": "outcome is 0, 1, true or false, or words of outcomes in [model.source]; class names go to the columns "
    "label and predicted_class",
    "bad_count": "n and positives are whole numbers, positives from 0 to n; a row with n above 1 needs positives",
    "bad_logits": "logits are a list of finite numbers, one for each class; where a source's are probabilities, they lie "
    "from 0 to 1 and their sum is 1, unless logits_are in [[model.source]] says that they are logits",
    "conflicting_identity": "rows of one file have the same sample_id and observed_at and different predictions: is sample_id "
    "that of the image, where each row is a box? Make it differ, and give the image as group_id",
    "taken_back": "later rows showed that all scores of the source mean something else: see the problem told of it, then send "
    "these rows again",
    "too_long": "ids have at most 500 characters, classes and labels 120: is a whole text or image mapped in columns where its "
    "name should be?",
    "missing_sample_id": "each row needs a sample_id; if it is called otherwise, map it in columns",
    "time_in_future": "the producer's clock, or [model.source]: times without a zone are taken to be in its time_zone, and "
    'numbers in its time_unit ("s", "ms", "us" or "ns")',
    "time_before_1970": 'numbers are counted since 1970 in time_unit = "s", "ms", "us" or "ns"; a labelled_at of 0 or 1970 is '
    "none: leave it out where it is not known",
    "older_than_retention": "calwatch backtest plays old rows at their own time; [model] retention says how old they may be",
    "label_too_late": "raise label_horizon in [[model]]: it says how long a prediction waits for its label",
    "no_prediction": "no prediction from before the label came within label_horizon: see that both sides write sample_id "
    "alike, that time_zone is right on both, and that predictions come too, no later than label_horizon after their label",
    "missing_image_id": "each row needs an image_id; if it is called otherwise, map it in columns",
    "missing_class": "each box needs a class; if it is called otherwise, map it in columns",
    "bad_box": "a box is four finite numbers with a width and a height above 0: what they are is told by the names of four "
    "columns, or of a list by boxes in [model.matching]",
    "box_outside_image": "a box lies in its image, up to 1 pixel and 1 %: see that width and height are those of the image "
    "that was detected in, and boxes in [model.matching]",
    "conflicting_time": "an image has one observed_at: ids that come again, such as frame numbers of each day, make two images "
    "one, so put what tells them apart in front",
    "incomplete_truth": "another row of the same image cannot be taken, and with an object missing what found it would count "
    "as wrong: mend that row, all of the image comes with it",
    "no_image": "no image of that id came within label_horizon: see that both sides write image_id alike",
    "missing_logits": "the calibrator in charge is one of logits: each row needs them",
}


def tell_remedy(reason: str, late: Sequence[Lateness] = (), horizon: timedelta | None = None) -> str:
    """Return what to do in brackets, with a blank in front; "" where nothing is known to do. ``late``: of each batch."""
    said = REMEDIES.get(reason, "")
    if reason == "label_too_late" and late and horizon is not None:
        said = describe_lateness(late, horizon)
    return f" ({said})" if said else ""


def describe_lateness(late: Sequence[Lateness], horizon: timedelta) -> str:
    """Return ``raise label_horizon (1h): …`` with how long labels that come too late take; ``late`` holds at least one."""
    ranked = sorted(late)
    half = sum(count for *_, count in ranked) / 2
    counts = accumulate(count for *_, count in ranked)
    median = next(each[0] for each, count in zip(ranked, counts, strict=True) if count >= half)
    longest = rough_duration(timedelta(seconds=max(longest for _, longest, _ in late)))
    return (
        f"raise label_horizon ({format_duration(horizon)}): labels that come later take "
        f"{rough_duration(timedelta(seconds=median))} at the median, {longest} at most"
    )
