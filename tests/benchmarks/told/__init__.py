"""Alarms that are told, counted through the store, against the budget that was promised."""
