"""Drift evidence: e-processes with a false-alarm budget, and what explains their alarms."""
