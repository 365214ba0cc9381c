CREATE OR REPLACE TEMP VIEW fresh AS
SELECT * EXCLUDE (reason, record, minus, observed_other, labelled_other), 1 AS seen, false AS differs, false AS predicts_anew FROM staged WHERE reason IS NULL;
