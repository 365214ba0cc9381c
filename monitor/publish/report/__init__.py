"""A report on one model over one period, as one HTML file."""
