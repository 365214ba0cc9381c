CREATE OR REPLACE TABLE snap.folded_values AS FROM folded_values;
