-- a label whose word means "not labelled yet" (missing: such words, in lower case) waits for a label, not for a prediction
CREATE OR REPLACE TEMP MACRO is_label(positives, label, missing) AS
    positives IS NOT NULL OR (label IS NOT NULL AND NOT list_contains(missing, lower(trim(label))));
