"""The gauges of a snapshot: their names and HELP texts, in the order they are exposed.

A HELP text is read at night by someone who did not build this: what it is, its range, and what to do.
"""

from collections.abc import Mapping

ON_READINGS = {
    "ece_debiased": "Expected calibration error with the part that luck adds taken out, 0 to 1 (a little below 0 by "
    "luck): by how much scores and reality differ on average. 0.05 = five points in a hundred. Which "
    "event the score speaks of: calwatch_model_info. The headline number; judge it with calwatch_ece_lower.",
    "ece": "Expected calibration error (plug-in, 15 equal-width bins), 0 to 1. Biased upwards, the more the fewer the "
    "samples: above calwatch_ece_null_quantile = more than luck, below it there is nothing to do.",
    "ece_null_quantile": "What calwatch_ece would stay below in 95 of 100 cases if the model were perfectly "
    "calibrated, 0 to 1. The yardstick for calwatch_ece: falls as samples come in.",
    "ece_lower": "Lower end of the 95 % interval of the expected calibration error, 0 to 1. Alert on this: the error "
    "is at least this large. If it stays high, look at the slice's images, then refit (calwatch recalibrate).",
    "ece_upper": "Upper end of the 95 % interval of the expected calibration error, 0 to 1. Low = calibration is "
    "proven good; high with a low calwatch_ece_lower = too few labels to tell.",
    "calibration_gap": "Mean score minus rate of the event, -1 to 1. Above 0: over-confident, the event happens less "
    "often than the scores say. Below 0: under-confident.",
    "brier_score": "Mean squared difference of score and outcome, 0 (best) to 1. 0.25 is what answering one half to "
    "everything gets. Mixes calibration and discrimination.",
    "log_loss": "Mean negative log-likelihood in nats, 0 (best) and up; 0.693 is what answering one half to everything "
    "gets. Rises sharply when confident scores are wrong.",
    "auroc": "Probability that a sample with the event scores higher than one without, 0 to 1, 0.5 = no "
    "discrimination. If it falls, a refit of the calibrator cannot help: the model itself has lost sight.",
}

_LIVE = (
    'bound="lower", "upper": 95 % interval. Upper below calwatch_threshold_promised of the same slice = the promise is broken, '
    "97.5 % sure at each look; of many looks some say so by luck, so the alert CalwatchPromiseBroken waits for a day of them. "
    "To slices without a threshold of their own nothing is promised. Absent = unknown."
)

HELP: Mapping[str, str] = {
    "calwatch_build_info": "Always 1; the label version is the running calwatch.",
    "calwatch_snapshot_current": "1 if the last cycle replaced metrics.duckdb, 0 if it could not (a full disk?): "
    "queries there then see old tables. The reason is in the log and on the page.",
    "calwatch_played": "1 if what is shown was played by a demo or a backtest, on a simulated clock, 0 if it is live. The "
    "shipped alerts leave out what is played. Absent = no cycle has ended since calwatch was started.",
    "calwatch_model_info": "Always 1; the label event says what the model's score is the probability of, in every "
    "calibration number of that model.",
    "calwatch_model_healthy": "1 if the model's last cycle went through all its stages, 0 if one failed: what comes after "
    "that stage is old. Why: calwatch status, the page, the log. Says nothing of calibration (calwatch_rule_firing), sources "
    "(calwatch_source_problems_total) or refits (calwatch_jobs_total). Stays as it was while no cycle ends: see "
    "calwatch_last_success_timestamp_seconds. Absent = no cycle has ended since calwatch was started.",
    "calwatch_last_success_timestamp_seconds": "Unix time of the last success of a stage. time() minus this is how old "
    "the stage's results are; if it grows, read the log of that stage.",
    **{f"calwatch_{name}": text for name, text in ON_READINGS.items()},
    "calwatch_samples": "Labelled samples in the window. Too few, and the calibration series of the slice are absent.",
    "calwatch_label_coverage_ratio": "Labelled share of all predictions in the window, 0 to 1. If it falls, labels "
    "stop coming: ask who labels.",
    "calwatch_label_lag_seconds": "Mean time from a prediction to its label, over the window's labelled samples. What "
    "goes wrong now shows after about this long.",
    "calwatch_rule_state": "1 for the state a rule is in for a slice: inactive, pending, firing or resolved. "
    "Absent = the rule has never had cause there.",
    "calwatch_rule_health": "1 for the health of a rule for a slice: ok, unknown (no reading or too few samples: the "
    "state is kept, not healed) or error.",
    "calwatch_rule_firing": "1 while the rule fires for the slice, else 0. Since when and why: the page, or "
    "calwatch status.",
    "calwatch_rule_onset_timestamp_seconds": "Unix time when the trouble behind a firing rule most likely began. Absent = "
    "nothing fires, or no time can be named.",
    "calwatch_drift_evidence_ratio": "Evidence that a slice has drifted, over the limit its share of the rule's false-alarm "
    "budget sets: 0 and up, 1 = alarm. Near 0 = nothing speaks for drift. Starts again from 0 after an alarm, and with a "
    "new version or calibrator. Rising towards 1 = look soon; what drifted and since when: calwatch status. Absent = not "
    "judged, or not yet: a reference at deployment is still being gathered.",
    "calwatch_label_delay_depends_on_outcome": "1 if labels of one outcome arrive later than those of the other, and "
    "label_maturity does not wait for them: the false-alarm budget of drift rules is then not guaranteed, set label_maturity "
    "as calwatch status says. 0 if not. Absent = unknown: samples older than label_horizon are needed.",
    "calwatch_waiting_labels": "Labels of a source that wait for a prediction of their sample_id. Early labels are normal; "
    "rising while predictions come = the ids of the two sides differ: calwatch status shows ids of both and, where it can be "
    "seen, why. After label_horizon they are set aside as no_prediction.",
    "calwatch_waiting_labels_oldest_timestamp_seconds": "Unix time of the oldest label that waits for its prediction. Absent = "
    "none waits.",
    "calwatch_waiting_labels_ratio": "Of a source's newest labels whose prediction should be there, since predictions of "
    "later times have come, the share that waits, 0 to 1. Near 1 = labels join nothing. Absent = none that should have "
    "joined waits.",
    "calwatch_files_set_aside": "Files of a source that are no longer read, because reading them failed twice in a way no file "
    "should be able to cause: out of memory, the end of the process. Above 0 = what is in them is missing from every number: "
    "calwatch status names them with what to do. Read again when they change, or after calwatch retry.",
    "calwatch_calibrator_info": "Always 1; which calibrator serves the scope, and its method.",
    "calwatch_calibrator_adopted": "1 if production applies the calibrator in use, 0 if samples still carry another: "
    "reload the model server. Absent = no sample since the promotion.",
    "calwatch_calibrator_fitted_timestamp_seconds": "Unix time when the calibrator in use was fitted.",
    "calwatch_threshold": "Decision threshold in use, 0 to 1: predict positive when score >= threshold. Absent beside "
    "calwatch_threshold_promise_kept 0: no threshold can promise what the policy asks.",
    "calwatch_threshold_promised": "What the policy promises: the least precision, recall or accuracy, 0 to 1, or the most "
    "false positives per image. Absent = it promises nothing.",
    "calwatch_threshold_promise_kept": "1 if the threshold keeps its policy's promise with the configured confidence, 0 if "
    "no threshold can: the page says how near the best comes. Absent = the policy promises nothing.",
    "calwatch_threshold_precision": "Precision of the threshold on samples later than the calibrator's fit, 0 to 1; for "
    'accuracy policies the accuracy among the kept. bound="lower" and "upper": each one-sided at the confidence.',
    "calwatch_threshold_recall": "Recall of the threshold on samples later than the calibrator's fit, 0 to 1. "
    'bound="lower" and "upper": each one-sided at the confidence.',
    "calwatch_live_precision": "Precision at the thresholds in use over the window, 0 to 1, of samples their calibrators "
    "scored; for accuracy policies the accuracy among the kept. " + _LIVE,
    "calwatch_live_recall": "Recall at the thresholds in use over the window, 0 to 1, of samples their calibrators scored. "
    + _LIVE,
    "calwatch_series_capped": "Series left out because there are more than max_series; whole slices are cut, the "
    "finest first. Above 0: raise [monitor] max_series, or lower max_order or max_slice_values.",
    "calwatch_series_beyond_limit": "Series shown though max_series is used up: those of whole models, of firing slices and "
    "states of rules are never left out. Above 0: many versions or alerts at once; see calwatch status, or raise max_series.",
}
