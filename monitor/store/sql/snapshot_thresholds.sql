CREATE OR REPLACE TABLE snap.thresholds AS FROM thresholds;
