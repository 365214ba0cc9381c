-- Samples in groups are bet on together: evidence of them from before is no evidence of these bets, and starts afresh from the
-- earliest bucket that can still be judged. Streams without groups keep theirs.

ALTER TABLE models ADD COLUMN evidence_afresh BOOLEAN DEFAULT false;   -- that this happened, until it has been told

CREATE TEMP TABLE grouped AS
SELECT DISTINCT m.model_id, m.name AS model, t.version
FROM cells AS c
JOIN streams AS t ON t.stream_id = c.stream_id
JOIN models AS m ON m.model_id = c.model_id
WHERE c.weight IS NOT NULL;

-- an empty state is that of a stream of which nothing is known; the rows tell which days have been judged. A reference stays:
-- what it rests on may lie before what can be judged again
UPDATE evidence_checkpoints SET state = ''::BLOB, told = NULL
WHERE (model, version) IN (SELECT (model, version) FROM grouped);

UPDATE evidence_streams SET state = NULL, told = NULL
WHERE closed IS NULL AND (model, version) IN (SELECT (model, version) FROM grouped);

-- where nothing was judged yet nothing starts afresh
UPDATE models SET changed_from = least(changed_from, folded_until), evidence_afresh = true
WHERE model_id IN (SELECT model_id FROM grouped) AND name IN (SELECT model FROM evidence_reach);

DROP TABLE grouped;
