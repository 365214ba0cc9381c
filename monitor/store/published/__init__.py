"""metrics.duckdb: the copy that others read, how it is written and what is asked of it."""
