"""Stored rows understood anew, when what their source says comes to mean something else."""
