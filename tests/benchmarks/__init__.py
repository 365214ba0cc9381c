"""What calwatch costs. From the repository's root: ``python -m tests.benchmarks [NAME…] [--scale tiny|small|full]``."""
