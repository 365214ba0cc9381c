CREATE OR REPLACE TABLE snap.label_delays AS FROM label_delays;
