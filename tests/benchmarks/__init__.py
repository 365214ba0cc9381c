"""What calwatch costs: `python -m tests.benchmarks [NAME…] [--scale tiny|small|full]`, run from the repository's root."""
