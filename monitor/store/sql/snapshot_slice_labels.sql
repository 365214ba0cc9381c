CREATE OR REPLACE TABLE snap.slice_labels AS FROM slice_labels;
