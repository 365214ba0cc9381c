CREATE OR REPLACE TABLE snap.alert_events AS FROM alert_events;
