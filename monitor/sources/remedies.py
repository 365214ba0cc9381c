"""What to do about rows that were set aside, by reason."""

REMEDIES = {
    "unreadable_line": "files are UTF-8; CSV has as many fields in each row as in the header; JSON is one object a line, which "
    "jq -c '.[]' makes of a list",
    "line_too_long": "of a line 16 MiB are read, of CSV 2 MiB: leave out what calwatch does not need, such as an image or a "
    "list; in CSV a quote that is never closed makes one row of all that follows",
    "unreadable_time": "times are written 2026-01-31 14:05:09, or with +01:00, GMT+8 or Europe/Paris behind, or are numbers "
    'with time_unit = "s", "ms", "us" or "ns"; a name such as CET only if time_zone uses it; for others: '
    "calwatch docs which-columns-when",
    "missing_score": "each row needs a score; if it is called otherwise, map it in columns",
    "score_not_a_number": "scores are numbers with a decimal point, such as 0.83",
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
    "label_too_late": "[model] label_horizon says how long a prediction waits for its label",
    "no_prediction": "labels are joined on sample_id: see that both sides write it alike, and that predictions come too",
    "missing_logits": "the calibrator in charge is one of logits: each row needs them",
}
