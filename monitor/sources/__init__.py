"""Where samples come from: each source turns what is new into batches that the store ingests."""
