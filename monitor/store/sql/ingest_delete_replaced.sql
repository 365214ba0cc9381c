DELETE FROM samples
WHERE observed_at >= $first AND observed_at < $beyond AND rowid IN (SELECT row_key FROM replaced);
