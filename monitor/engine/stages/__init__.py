"""The stages of a cycle that calculate: intake, measuring, drift evidence, judging."""
