"""Times as sources write them, as SQL."""
