SELECT
    (SELECT count(*) FROM incoming WHERE row_key IS NULL),
    (SELECT count(*) FROM incoming WHERE newly_labelled AND NOT corrects),
    (SELECT count(*) FROM incoming WHERE corrects) + (SELECT count(*) FROM fresh SEMI JOIN incoming USING (sample_id, observed_at) WHERE differs),
    (SELECT coalesce(sum(seen), 0) FROM fresh),
    (SELECT count(*) FROM incoming),
    (SELECT count(*) FROM fresh SEMI JOIN incoming USING (sample_id, observed_at) WHERE differs),
    (SELECT count(*) FROM incoming WHERE changes_prediction),
    (SELECT count(*) FROM incoming WHERE row_key IS NULL AND clipped);
