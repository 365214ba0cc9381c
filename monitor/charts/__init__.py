"""Charts: pure functions from values to pictures, and the processes that draw them."""
