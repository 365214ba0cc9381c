"""Labels: how they are understood, how they meet their predictions, and those that wait."""
