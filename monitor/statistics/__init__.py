"""Pure mathematics on arrays: no input, no output, no clock."""
