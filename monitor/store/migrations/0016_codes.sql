-- What reasons and triggers say, for programs, beside the texts for people: codes, and their values as JSON.
-- Rows of earlier releases have texts only: code NULL. Who asked for a job was told in five fixed ways: those are read once, here.

ALTER TABLE alerts ADD COLUMN code VARCHAR;
ALTER TABLE alerts ADD COLUMN facts JSON;
ALTER TABLE alert_events ADD COLUMN code VARCHAR;
ALTER TABLE alert_events ADD COLUMN facts JSON;
ALTER TABLE thresholds ADD COLUMN code VARCHAR;
ALTER TABLE thresholds ADD COLUMN facts JSON;
CREATE OR REPLACE VIEW thresholds_in_force AS
FROM thresholds AS t
WHERE EXISTS (
        FROM serving AS s
        WHERE s.model = t.model AND s.scope = t.scope AND s.calibrator = t.calibrator AND s.until IS NULL
    )
    OR t.calibrator = '' AND NOT EXISTS (
        FROM serving AS s
        WHERE s.model = t.model AND s.scope = t.scope AND s.calibrator <> '' AND s.until IS NULL
    );  -- the same, of all columns that there are now

ALTER TABLE jobs ADD COLUMN codes VARCHAR[];         -- one for each of the reasons
ALTER TABLE jobs ADD COLUMN facts JSON;              -- a list, one for each of the reasons
ALTER TABLE jobs ADD COLUMN trigger_kind VARCHAR;    -- manual, schedule, rule, guard, job
ALTER TABLE jobs ADD COLUMN trigger_name VARCHAR;    -- of the rule, the guarded calibrator, the job
ALTER TABLE jobs ADD COLUMN trigger_at VARCHAR;      -- of the schedule, in its time zone
ALTER TABLE jobs ADD COLUMN trigger_event VARCHAR;   -- of an action: firing, resolved, promoted, …

UPDATE jobs SET trigger_kind = 'manual', trigger_name = '', trigger_event = '' WHERE trigger = 'manual';
UPDATE jobs SET trigger_kind = 'schedule', trigger_name = '', trigger_at = trigger[10:], trigger_event = ''
WHERE starts_with(trigger, 'schedule ');
UPDATE jobs SET trigger_kind = 'guard', trigger_name = trigger[10:], trigger_event = '' WHERE starts_with(trigger, 'guard of ');
UPDATE jobs SET trigger_kind = 'job', trigger_name = split_part(trigger, ' ', 2), trigger_event = split_part(trigger, ' ', 3)
WHERE kind = 'action' AND starts_with(trigger, 'job ');
UPDATE jobs SET trigger_kind = 'rule', trigger_event = regexp_extract(trigger, '^rule .* (firing|resolved)$', 1),
    trigger_name = regexp_replace(trigger[6:], ' (firing|resolved)$', '')
WHERE kind = 'action' AND starts_with(trigger, 'rule ');
UPDATE jobs SET trigger_kind = 'rule', trigger_name = trigger[6:], trigger_event = ''
WHERE kind <> 'action' AND starts_with(trigger, 'rule ');
