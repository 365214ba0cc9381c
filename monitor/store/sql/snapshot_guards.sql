CREATE OR REPLACE TABLE snap.guards AS FROM guards;
