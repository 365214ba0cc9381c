"""What looks wrong in rows that could be taken: numbers that would be computed without complaint, and mean something else."""
