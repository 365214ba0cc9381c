"""Files that take more than they should: tried alone, named, set aside."""
