"""Real model outputs, played day by day through drift evidence."""
