"""The history of a source, row by row as it arrived, on a simulated clock."""
