-- rows that the store has from another file: whichever of the two loses them, the other still says them
INSERT INTO repeated_rows
SELECT DISTINCT b.file_id, hash(e.sample_id, e.observed_at), e.observed_at::DATE
FROM existing AS e
JOIN staged AS f ON f.sample_id = e.sample_id AND f.observed_at = e.observed_at
JOIN file_numbers AS b ON b.file = f.file
WHERE f.reason IS NULL AND e.file_id IS NOT NULL AND e.file_id <> b.file_id
EXCEPT SELECT file_id, identity, day FROM repeated_rows SEMI JOIN file_numbers USING (file_id);
