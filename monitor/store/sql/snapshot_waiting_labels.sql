CREATE OR REPLACE TABLE snap.waiting_labels AS FROM waiting_labels;
