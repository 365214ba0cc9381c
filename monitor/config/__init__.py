"""Everything that people write: calwatch.toml with its sections, secrets named in it, the forms of its fields."""
