CREATE OR REPLACE TABLE snap.slice_newest AS
SELECT * EXCLUDE (sequence) FROM newest_readings;
