CREATE OR REPLACE TABLE snap.job_log AS FROM job_log;
