"""Decision thresholds: what each gives, which to choose, and which keep a promise."""
