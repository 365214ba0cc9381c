CREATE OR REPLACE TABLE snap.serving AS FROM serving;
