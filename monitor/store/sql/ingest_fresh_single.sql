CREATE OR REPLACE TEMP VIEW fresh AS
SELECT * EXCLUDE (reason, record), 1 AS seen, false AS differs FROM staged WHERE reason IS NULL;
