"""Backups of a whole state, and putting one back."""
