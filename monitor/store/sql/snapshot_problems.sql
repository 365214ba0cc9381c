CREATE OR REPLACE TABLE snap.problems AS FROM problems;
