-- as ingest_counts, by file: of a batch in which no identity stands in two
SELECT
    f.file,
    count(*) FILTER (i.sample_id IS NOT NULL AND i.row_key IS NULL),
    count(*) FILTER (i.newly_labelled AND NOT i.corrects),
    count(*) FILTER (i.corrects) + count(*) FILTER (i.sample_id IS NOT NULL AND f.differs),
    sum(f.seen) - count(i.sample_id) - count(*) FILTER (i.sample_id IS NOT NULL AND f.differs)
FROM fresh AS f
LEFT JOIN incoming AS i USING (sample_id, observed_at)
GROUP BY f.file;
