"""Boxes of detectors: matched with truths, suppressed, measured and tuned. Arrays in, arrays out."""
