"""Mutants: files and pushes as nobody should write them, a calwatch in a process that takes them, and what must hold."""
