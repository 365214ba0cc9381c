"""Recalibration: fit a calibrator, choose between methods, let a gate judge it on later samples, keep it in a file."""
