-- What texts of earlier releases say: read once, here, as 0016 reads who asked for a job. Nothing else reads sentences.
-- Of a text that is told by its beginning the code is kept, and as facts the text itself, without what code, state and course
-- say beside it; where none is told there is no code, as before. Sentences are those from 0006 to 0015.

CREATE OR REPLACE TEMP MACRO code_told(told) AS CASE
    -- alerts
    WHEN regexp_matches(told, '^no (samples|labels|pulls) for ', 's') THEN 'absent'
    WHEN regexp_matches(told, '^no (samples|labels|pulls) were ever seen, ', 's') THEN 'never_seen'
    WHEN regexp_matches(told, '^no (samples|labels|pulls) were seen yet, ', 's') THEN 'not_seen_yet'
    WHEN regexp_matches(told, '^newest (samples|labels|pulls) are ', 's') THEN 'present'
    WHEN regexp_matches(told, '^(samples|labels|pulls) are unknown for this slice', 's') THEN 'no_sight'
    WHEN regexp_matches(told, '^Scores of .* since about [-0-9]+ [0-9:]+ UTC \(.*\. The evidence reached ', 's') THEN 'drift'
    WHEN starts_with(told, 'scores have drifted') THEN 'drift'  -- so until 0002
    WHEN starts_with(told, 'no further drift alarm since ') THEN 'drift_over'
    WHEN starts_with(told, 'drift evidence is unknown for this slice') THEN 'no_evidence'
    WHEN starts_with(told, 'drift evidence is ') THEN 'drift_none'
    WHEN starts_with(told, 'drift is not judged yet: ') THEN 'drift_not_judged'
    WHEN regexp_matches(told, '^(calibration gap|debiased ECE) against the rest of the model is unknown ', 's')
        THEN 'disparity_unknown'
    WHEN regexp_matches(told, '^(calibration gap|debiased ECE) \S+ against \S+ in the rest of the model: ', 's') THEN 'disparity'
    WHEN starts_with(told, 'the difference from the rest of the model is unknown: no reading over ') THEN 'no_comparison'
    WHEN regexp_matches(told, '^\w+ is unknown: no reading over ', 's') THEN 'no_reading'
    WHEN regexp_matches(told, '^\w+ is unknown over ', 's') THEN 'threshold_unknown'
    WHEN regexp_matches(told, '^\w+ \S+ is (above|below|at) \S+ (where it clears, )?over ', 's') THEN 'threshold'
    WHEN starts_with(told, 'rule could not be evaluated: ') THEN 'rule_failed'
    WHEN regexp_matches(told, '^rule ".*" is no longer in the packs of this model', 's') THEN 'rule_gone'
    WHEN regexp_matches(told, '^rule ".*" no longer covers this slice', 's') THEN 'rule_elsewhere'
    WHEN regexp_matches(told, '^rule ".*" is now of kind "', 's') THEN 'rule_other_kind'
    WHEN regexp_matches(told, '^slice .* has no samples in any window any more', 's') THEN 'slice_gone'
    WHEN regexp_matches(told, '^version .* has no samples in any window any more', 's') THEN 'version_gone'
    WHEN starts_with(told, 'nothing of this slice was observed within retention: ') THEN 'slice_forgotten'
    WHEN starts_with(told, 'its stream of evidence is closed: ') THEN 'stream_closed'
    -- verdicts of refits
    WHEN regexp_matches(told, '^rejected: .* later samples are in groups that lie on both sides of the cut in time', 's')
        THEN 'gate_straddled'
    WHEN regexp_matches(told, '^rejected: needs [0-9,]+ labelled samples, has ', 's') THEN 'refit_few_samples'
    WHEN regexp_matches(told, '^rejected: needs [0-9,]+ later samples, has ', 's') THEN 'gate_few_samples'
    WHEN starts_with(told, 'rejected: needs later samples of ') THEN 'gate_few_groups'
    WHEN starts_with(told, 'rejected: there are no later samples') THEN 'gate_no_samples'
    WHEN regexp_matches(told, '^rejected: \w+ cannot be fitted: ', 's') THEN 'refit_unfit'
    WHEN starts_with(told, 'rejected: the candidate gives the same scores as the calibrator in use ') THEN 'gate_same'
    WHEN starts_with(told, 'rejected: slice ') THEN 'gate_slice_worse'
    WHEN regexp_matches(told, '^rejected: log-loss (better|worse) by .*, which may be chance', 's') THEN 'gate_chance'
    WHEN starts_with(told, 'rejected: log-loss worse by ') THEN 'gate_worse'
    WHEN starts_with(told, 'on the whole: log-loss better by ') THEN 'gate_better'
    WHEN starts_with(told, 'accepted: log-loss better by ') THEN 'gate_accepted'
    WHEN starts_with(told, 'accepted: no slice is significantly worse ') THEN 'gate_no_slice_worse'
    WHEN regexp_matches(told, '^[0-9,]+ of [0-9,]+ later samples are in groups that lie on both sides of the cut in time', 's')
        THEN 'groups_straddle'
    -- how jobs ended
    WHEN regexp_matches(told, '^failed: interrupted: calwatch ended, or lost its disk, meanwhile, [0-9]+ times', 's')
        THEN 'interrupted_too_often'
    WHEN starts_with(told, 'failed: ') THEN 'failed'
    WHEN regexp_matches(told, '^attempt [0-9]+ of [0-9]+: .*; tried again in about ', 's') THEN 'tried_again'
    WHEN starts_with(told, 'interrupted: calwatch ended') THEN 'interrupted'
    WHEN starts_with(told, 'calwatch ended while it waited for its turn') THEN 'not_begun'
    WHEN starts_with(told, 'calibrators in charge changed while it ran') THEN 'outdated'
    WHEN starts_with(told, 'cancelled by hand ') THEN 'cancelled'
    WHEN starts_with(told, 'rolled back from ') THEN 'rolled_back'
    WHEN regexp_matches(told, '^calibrator \w+ does worse than \w+ since its promotion: ', 's') THEN 'guard_worse'
    -- thresholds
    WHEN regexp_matches(told, '^threshold [0-9.]+ promises ', 's') THEN 'threshold_promised'
    WHEN regexp_matches(told, '^threshold [0-9.]+ by ', 's') THEN 'threshold_chosen'
    WHEN starts_with(told, 'no threshold can promise ') THEN 'threshold_not_promised'
    WHEN starts_with(told, 'no threshold for ') THEN 'threshold_not_chosen'
    WHEN starts_with(told, 'no threshold: there are no samples ') THEN 'threshold_no_samples'
    WHEN regexp_matches(told, '^thresholds per \w+: [0-9]+ classes', 's') THEN 'classes'
    WHEN starts_with(told, 'no thresholds per ') THEN 'classes_unknown'
    -- samples and methods of refits
    WHEN regexp_matches(told, '^samples since [-0-9]+ [0-9:]+ UTC', 's') THEN 'samples_since'
    WHEN regexp_matches(told, '^[0-9,]+ of [0-9,]+ samples.*, chosen by a hash of their ', 's') THEN 'samples_chosen'
    WHEN regexp_matches(told, '^left out [0-9,]+ samples that carry a calibrated score ', 's') THEN 'samples_without_raw'
    WHEN regexp_matches(told, '^[0-9,]+ rows, some pre-counted, for ', 's') THEN 'samples_precounted'
    WHEN regexp_matches(told, '^left [0-9,]+ of [0-9,]+ samples to refits of their own', 's') THEN 'samples_left_to_refits'
    WHEN starts_with(told, 'left to calibrators of their own: ') THEN 'samples_left_to_calibrators'
    WHEN starts_with(told, 'selected and fitted on all ') THEN 'samples_as_counted'
    WHEN regexp_matches(told, '^[^:]+ (is|are) fitted on scores: logits come without ', 's') THEN 'logits_without_class'
    WHEN regexp_matches(told, '^[^:]+ (is|are) fitted on scores: .* have no logits', 's') THEN 'logits_lacking'
    WHEN regexp_matches(told, '^\w+ chosen: asked for by name', 's') THEN 'method_asked_for'
    WHEN regexp_matches(told, '^\w+ chosen: no other method can be fitted', 's') THEN 'method_alone'
    WHEN regexp_matches(told, '^\w+ chosen: best cross-validated log-loss ', 's') THEN 'method_best'
    WHEN regexp_matches(told, '^\w+ chosen: \w+ is better by .*, which may be chance', 's') THEN 'method_simpler'
    WHEN regexp_matches(told, '^\w+ chosen: a comparison needs samples of ', 's') THEN 'method_few_buckets'
    WHEN regexp_matches(told, '^\w+ rejected: \w+ is better by .* ± ', 's') THEN 'method_behind'
    WHEN regexp_matches(told, '^\w+ rejected: ', 's') THEN 'method_unfit'
    ELSE ''
END;

-- what the state of an alert adds behind what its rule found
CREATE OR REPLACE TEMP MACRO course_told(told, code) AS CASE
    WHEN starts_with(told, 'scores have drifted') THEN ''
    WHEN code IN ('threshold', 'disparity', 'drift', 'absent', 'never_seen') THEN regexp_extract(
        told, '(?s)(( In force)? since [-0-9]+ [0-9:]+ UTC(; fires after [0-9dhms]+)?|; kept firing until [-0-9]+ [0-9:]+ UTC|; stays \w+)$'
    )
    ELSE regexp_extract(told, '(?s)(; kept firing until [-0-9]+ [0-9:]+ UTC|; stays \w+)$')
END;
CREATE OR REPLACE TEMP MACRO time_told(told) AS nullif(
    regexp_replace(told, '^([-0-9]+) ([0-9:]+)$', '\1T\2:00+00:00'), ''
);
CREATE OR REPLACE TEMP MACRO count_told(told, unit) AS coalesce(TRY_CAST(regexp_extract(told, '([0-9]+)' || unit, 1) AS BIGINT), 0);
CREATE OR REPLACE TEMP MACRO seconds_told(told) AS CASE WHEN told <> '' THEN
    86400 * count_told(told, 'd') + 3600 * count_told(told, 'h') + 60 * count_told(told, 'm') + count_told(told, 's')
END;

CREATE OR REPLACE TEMP MACRO facts_about(code, bare, course) AS json_merge_patch('{}', json_object(  -- without what is NULL
    'text', bare,
    'problem', CASE
        WHEN code = 'failed' THEN regexp_replace(bare, ' \(attempt [0-9]+ of [0-9]+\)$', '')
        WHEN code IN ('refit_unfit', 'method_unfit')
            THEN regexp_extract(bare, '(?s)^\w+ (cannot be fitted|rejected): (.*?)(; nothing changes)?$', 2)
    END,
    'since', time_told(regexp_extract(course, '^(?: In force)? since ([-0-9]+ [0-9:]+) UTC', 1)),
    'fires_after', seconds_told(regexp_extract(course, '; fires after ([0-9dhms]+)$', 1)),
    'kept_until', time_told(regexp_extract(course, '^; kept firing until ([-0-9]+ [0-9:]+) UTC$', 1)),
    'stays', nullif(regexp_extract(course, '^; stays (\w+)$', 1), '')
));
CREATE OR REPLACE TEMP MACRO bare_told(told, code) AS CASE
    WHEN code IN ('threshold_promised', 'threshold_chosen') THEN told[length('threshold ') + 1:]
    ELSE regexp_replace(told[:length(told) - length(course_told(told, code))], '^(accepted|rejected|failed): ', '')
END;
CREATE OR REPLACE TEMP MACRO facts_told(told, code) AS facts_about(code, bare_told(told, code), course_told(told, code));

ALTER TABLE job_log ADD COLUMN code VARCHAR;        -- what message says
ALTER TABLE job_log ADD COLUMN facts JSON;
ALTER TABLE problems ADD COLUMN code VARCHAR;       -- what problem says
ALTER TABLE problems ADD COLUMN facts JSON;
ALTER TABLE pulls ADD COLUMN codes VARCHAR[];       -- one for each of the problems; NULL = of before this was kept

UPDATE alerts SET code = code_told(reason) WHERE code IS NULL AND code_told(reason) <> '';
UPDATE alerts SET facts = facts_told(reason, code) WHERE code IS NOT NULL AND facts IS NULL;
UPDATE alert_events SET code = code_told(reason) WHERE code IS NULL AND code_told(reason) <> '';
UPDATE alert_events SET facts = facts_told(reason, code) WHERE code IS NOT NULL AND facts IS NULL;
UPDATE job_log SET code = code_told(message) WHERE code_told(message) <> '';
UPDATE job_log SET facts = facts_told(message, code) WHERE code IS NOT NULL;
UPDATE thresholds SET code = code_told(reason) WHERE code IS NULL AND code_told(reason) <> '';
UPDATE thresholds SET facts = facts_told(reason, code) WHERE code IS NOT NULL AND facts IS NULL;

-- a drift names its onset to the minute: what is known of it better stands beside it
UPDATE alerts SET facts = json_merge_patch(facts, json_object('began', strftime(onset, '%Y-%m-%dT%H:%M:%S.%f+00:00')))
WHERE code = 'drift' AND (facts ->> 'text') IS NOT NULL AND contains(reason, strftime(onset, ' since about %Y-%m-%d %H:%M UTC'));
UPDATE alert_events SET facts = json_merge_patch(facts, json_object('began', strftime(onset, '%Y-%m-%dT%H:%M:%S.%f+00:00')))
WHERE code = 'drift' AND (facts ->> 'text') IS NOT NULL AND contains(reason, strftime(onset, ' since about %Y-%m-%d %H:%M UTC'));

-- of a job that has ended an attempt since, some reasons may have codes
UPDATE jobs SET
    codes = list_transform(
        list_zip(reasons, coalesce(codes, [])), lambda held: coalesce(nullif(held[2], ''), code_told(held[1]))
    ),
    facts = to_json(list_transform(
        list_zip(reasons, coalesce(codes, []), coalesce(facts::JSON[], [])),
        lambda held: CASE WHEN held[2] <> '' THEN held[3] ELSE facts_told(held[1], code_told(held[1])) END
    ))
WHERE codes IS NULL OR list_contains(codes, '');

-- what waits to be told to an action, or to be rolled back
UPDATE jobs SET details = json_merge_patch(details, json_object('code', code_told(details ->> 'why'), 'facts',
    facts_told(details ->> 'why', code_told(details ->> 'why'))))
WHERE kind = 'rollback' AND state IN ('queued', 'running') AND (details ->> 'why') IS NOT NULL AND (details ->> 'code') IS NULL;
UPDATE jobs SET details = json_merge_patch(details, json_object('payload', json_object('alert', json_object(
    'code', code_told(details ->> '$.payload.alert.reason'),
    'facts', facts_told(details ->> '$.payload.alert.reason', code_told(details ->> '$.payload.alert.reason'))
))))
WHERE kind = 'action' AND state IN ('queued', 'running') AND (details ->> '$.payload.alert.reason') IS NOT NULL
  AND (details ->> '$.payload.alert.code') IS NULL;
UPDATE jobs SET details = json_merge_patch(details, json_object('payload', json_object('job', json_object(
    'codes', list_transform((details -> '$.payload.job.reasons')::VARCHAR[], lambda each: code_told(each)),
    'facts', list_transform(
        (details -> '$.payload.job.reasons')::VARCHAR[], lambda each: facts_told(each, code_told(each))
    )
))))
WHERE kind = 'action' AND state IN ('queued', 'running') AND (details -> '$.payload.job.reasons') IS NOT NULL
  AND (details -> '$.payload.job.codes') IS NULL;

DROP MACRO facts_told;
DROP MACRO bare_told;
DROP MACRO facts_about;
DROP MACRO seconds_told;
DROP MACRO count_told;
DROP MACRO time_told;
DROP MACRO course_told;
DROP MACRO code_told;
