"""Drift evidence in the store."""
