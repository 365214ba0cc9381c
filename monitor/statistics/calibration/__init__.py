"""Calibration and accuracy of many slices at once, with intervals."""
