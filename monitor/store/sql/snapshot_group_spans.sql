CREATE OR REPLACE TABLE snap.group_spans AS FROM group_spans;
