"""Operating points tuned without a refit: of samples, and of the boxes of detectors."""
