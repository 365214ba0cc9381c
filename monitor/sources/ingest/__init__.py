"""From a batch to rows in the store: staged, reviewed, de-duplicated, corrected, counted."""
