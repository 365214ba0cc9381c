"""The command ``calwatch``: what people type, and what is printed for it."""
