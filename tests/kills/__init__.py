"""A calwatch that is killed over and over while everything goes on, and an account of all that it was told."""
