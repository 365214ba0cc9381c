"""Scores and logits as sources give them, as they are stored, and with calibrators that calwatch applies itself."""
