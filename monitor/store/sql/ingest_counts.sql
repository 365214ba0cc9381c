SELECT i.new, i.labelled, i.corrects + d.differing, f.seen, i.incoming, d.differing, i.changed, i.clipped, i.late
FROM (
    SELECT
        count(*) FILTER (row_key IS NULL) AS new,
        count(*) FILTER (newly_labelled AND NOT corrects) AS labelled,
        count(*) FILTER (corrects) AS corrects,
        count(*) AS incoming,
        count(*) FILTER (changes_prediction) AS changed,
        count(*) FILTER (row_key IS NULL AND clipped) AS clipped,
        -- of days that are folded, which drift rules do not judge again
        count(*) FILTER (
            positives IS NOT NULL AND (row_key IS NULL OR newly_labelled OR corrects)
            AND observed_at < (SELECT folded_until FROM models WHERE model_id = $model_id)
        ) AS late
    FROM incoming
) AS i, (
    SELECT coalesce(sum(seen), 0) AS seen FROM fresh
) AS f, (
    SELECT count(*) AS differing FROM fresh SEMI JOIN incoming USING (sample_id, observed_at) WHERE differs
) AS d;
