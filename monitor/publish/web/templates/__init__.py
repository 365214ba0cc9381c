"""Templates and the style sheet of the page."""
