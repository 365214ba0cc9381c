-- What the direction of an alarm says, for programs: a list of shifts, the strongest first (see monitor.model.Shift).
-- NULL = of before this was kept; an empty list where no direction is clear, or where it is not explained.

ALTER TABLE evidence_alarms ADD COLUMN shifts JSON;
ALTER TABLE told_alarms ADD COLUMN shifts JSON;
