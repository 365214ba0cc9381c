CREATE OR REPLACE TABLE snap.source_notes AS FROM source_notes;
